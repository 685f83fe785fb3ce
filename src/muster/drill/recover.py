"""Recovery after the drill's process is gone: its undo log played back from outside.

The drill's lock is taken first, so that a drill that still runs is never recovered under its feet,
and two recoveries never act at once. The dead drill's ledger is ended and judged, so that its
evidence says what happened. Evidence never comes first: a log that cannot be read keeps no other
from being restored, and a disk without room keeps nothing dark.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from muster import targets, testbed
from muster.drill.conclude import conclude
from muster.drill.lock import TargetLock
from muster.drill.restore import Restored, Undo, record_verify, restore
from muster.drill.undo_logs import LeftLog, UndoMemory, left_on
from muster.drill.undo_store import Held, open_undo, stored_undo, with_stored
from muster.errors import MusterError
from muster.jsonl import LogLost
from muster.ledger import Ledger, read_ledger
from muster.targets import Target
from muster.undo import UndoLog

EXIT_RESTORED = 0
EXIT_NOT_ON_RECORD = 4
EXIT_NOT_RESTORED = 5

Say = Callable[[str], None]


def recover_target(name_or_path: str, say: Say) -> int:
    """Recover every drill that left changes on the target; the command's exit code.

    Raises BadInput for a target that cannot be used, DrillAborted while a drill runs.
    """
    target = targets.load(name_or_path)
    # A name of its own: two recoveries, on two machines, must not take each other for themselves.
    lock = TargetLock(target, f"recover-{secrets.token_hex(4)}")
    lock.acquire(patient=True, say=say)
    try:
        held = stored_undo(target)
        left = left_on(target.name)
        logs = with_stored(left.pending, target, str(targets.path_of(name_or_path)), held)
        if not logs and not left.unusable:
            say(f"target {target.name}: nothing is left changed")
            return EXIT_RESTORED
        resolved = _reach(target, say) if logs else None
        # The oldest values are those of the first drill: it is restored last.
        exits = [_recover(log, held, resolved, target, say) for log in reversed(logs)]
        for line in left.unusable:
            say(f"NOT RESTORED: {line}")
            exits.append(EXIT_NOT_RESTORED)
    finally:
        lock.release()
    return max(exits)


def _reach(target: Target, say: Say) -> Target | None:
    """The target with its endpoints; None when it was a testbed that is no longer there."""
    if target.class_ != "testbed":
        return targets.resolve(target)
    state = testbed.status(target.name)
    if state is None:
        return None
    for death in state.deaths:
        say(f"testbed {target.name}: {death['name']} ended unasked with {death['exit_code']}")
    return targets.resolve(target, testbed=state.endpoints)


def _recover(
    log: LeftLog, held: Held | None, resolved: Target | None, target: Target, say: Say
) -> int:
    """Restore what one drill left; what goes wrong with it keeps no other from its turn."""
    drill_id = log.read.header.drill_id
    say(f"{drill_id}: {len(log.read.pending)} changes to restore")
    # What the store does not hold was never applied, or another machine has put it back.
    only = None if held is None else {entry.entry_id for entry in held.get(drill_id, ())}
    try:
        return _restore(log, only, resolved, target, say)
    except (MusterError, OSError) as error:
        say(f"NOT RESTORED: {drill_id}: {error}")
        return EXIT_NOT_RESTORED


def _restore(
    log: LeftLog, only: set[str] | None, resolved: Target | None, target: Target, say: Say
) -> int:
    bundle = log.path.parent
    undo = _undo_of(log, target, say)
    ledger = _ledger_of(bundle, say)
    try:
        if resolved is None:
            outcome = _gone(undo, target, say)
        else:
            outcome = restore(resolved, undo, ledger, only)
            _tell(outcome, say)
            if not outcome.verified and target.class_ == "testbed":
                say("by hand: chaos drill down ends the testbed, and what was changed with it")
        recorded = _end(ledger, undo, outcome, say) and isinstance(undo, UndoLog)
    finally:
        undo.close()
        if ledger is not None:
            ledger.close()
    if recorded:
        _judge(bundle, say)
    if not outcome.verified:
        return EXIT_NOT_RESTORED
    return EXIT_RESTORED if recorded else EXIT_NOT_ON_RECORD


def _undo_of(log: LeftLog, target: Target, say: Say) -> UndoLog | UndoMemory:
    """The log to go on with; without room for it a copy in memory, so that all is restored."""
    try:
        return open_undo(target, log.path, log.read.header)
    except LogLost as error:
        say(f"not on record: {error}")
        return UndoMemory(log.read)


def _ledger_of(bundle: Path, say: Say) -> Ledger | None:
    """The dead drill's ledger, with the reason of its end; None where it cannot be written."""
    ledger: Ledger | None = None
    try:
        ledger = Ledger(bundle / "ledger.jsonl")
        if not read_ledger(ledger.path).of("stopped"):
            ledger.append(
                "stopped",
                by="lost_lease",
                verdict="ABORTED",
                detail="the drill's process was gone before the drill had ended",
            )
    except MusterError as error:
        say(f"not on record: {error}")
    return ledger


def _gone(undo: UndoLog | UndoMemory, target: Target, say: Say) -> Restored:
    """What a testbed takes along when it ends."""
    say(f"testbed {target.name} is down: what was changed no longer exists")
    for entry in undo.pending:
        try:
            undo.mark(entry, "done", "the testbed that was changed no longer exists")
        except LogLost as error:
            say(f"not on record: {error}")
    return Restored(True, (), (), ())


def _tell(outcome: Restored, say: Say) -> None:
    for item in outcome.readback:
        say(f"{'restored' if item.ok else 'NOT RESTORED'}: {item.subject}: {item.actual}")
    known = {item.subject for item in outcome.readback}
    for subject in outcome.failed:
        if subject not in known:
            say(f"NOT RESTORED: {subject}: it could not be read back")
    for command in outcome.commands:
        say(f"by hand: {command}")


def _end(ledger: Ledger | None, undo: Undo, outcome: Restored, say: Say) -> bool:
    """Whether the ledger now says how it went, and the undo log as well."""
    if ledger is None:
        return False
    try:
        if outcome.readback or outcome.failed:
            record_verify(ledger, undo, outcome)
        if not read_ledger(ledger.path).of("drill_ended"):
            ledger.append("drill_ended")
    except LogLost as error:
        say(f"not on record: {error}")
        return False
    if outcome.verified and undo.pending:
        say("not on record: the undo log could not be written; run this again once there is room")
        return False
    return True


def _judge(bundle: Path, say: Say) -> None:
    """Verdict and report of the dead drill, as far as its evidence goes."""
    try:
        verdict = conclude(bundle)
    except (MusterError, OSError) as error:
        say(f"{bundle.name}: not judged: {error}")
        return
    say(f"{bundle.name}: {verdict.verdict} ({bundle / 'report.html'})")
