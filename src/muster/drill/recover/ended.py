"""The end of a drill whose own process is gone: restore, record why it stopped, judge.

Used by the watchdog, at once, and by `chaos drill recover`, on request. The caller holds the
target's lock. Restoring comes before evidence: a ledger or undo log that cannot be written prevents
no restore.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.conclude import conclude
from muster.drill.stop import StopReason
from muster.drill.undo.logs import LeftLog, UndoMemory
from muster.drill.undo.restore import Restored, Undo, changes_in, record_verify, restore
from muster.drill.undo.rig import end_rig
from muster.drill.undo.store import open_undo
from muster.errors import MusterError
from muster.jsonl import LogLost
from muster.ledger import Ledger, read_ledger
from muster.platform import Platform
from muster.targets import Target
from muster.undo import UndoEntry, UndoLog

Say = Callable[[str], None]
Event = tuple[str, dict[str, Any]]
AfterRestore = Callable[[Sequence[UndoEntry], Restored, Ledger], None]


def _nothing(entries: Sequence[UndoEntry], restored: Restored, ledger: Ledger) -> None:
    """Nothing is measured after the restore."""


def _no_load() -> None:
    """Nobody here holds the load's processes."""


@dataclass(frozen=True)
class GoneDrill:
    """What is left of a drill. `platform` None: its testbed no longer exists.

    `only` names the entries to restore; the others are read back and not changed (None: all).
    """

    log: LeftLog
    platform: Platform | None
    target: Target
    say: Say
    only: Container[str] | None = None
    after_restore: AfterRestore = _nothing
    end_load: Callable[[], None] = _no_load
    clock: Clock = SYSTEM_CLOCK

    @property
    def bundle(self) -> Path:
        """Its evidence."""
        return self.log.path.parent


@dataclass(frozen=True)
class Ended:
    """`verified`: everything is restored. `recorded`: undo log and ledger say so."""

    verified: bool
    recorded: bool


def end_gone_drill(gone: GoneDrill, stop: StopReason, events: Sequence[Event] = ()) -> Ended:
    """Restore what is pending and end the ledger; `events` are lines that it still lacks."""
    undo = _undo_of(gone)
    ledger = _ledger_of(gone, stop, events)
    try:
        entries = changes_in(undo)
        if gone.platform is None:
            outcome = _vanished(gone, undo)
        else:
            outcome = restore(gone.platform, undo, ledger, gone.only, clock=gone.clock)
            _tell(gone, outcome)
        measured = _measured(gone, ledger, undo, outcome, entries)
        # What measured the restored system is ended last, whatever became of the evidence.
        gone.end_load()
        rig = end_rig(gone.target.load, undo, ledger)
        for line in rig:
            gone.say(f"NOT ENDED: {line}")
        recorded = measured and _end(gone, ledger, undo, outcome) and isinstance(undo, UndoLog)
    finally:
        undo.close()
        if ledger is not None:
            ledger.close()
    return Ended(outcome.verified and not rig, recorded)


def judge_gone_drill(gone: GoneDrill) -> None:
    """Verdict and report of the dead drill, as far as its evidence goes."""
    try:
        verdict = conclude(gone.bundle)
    except (MusterError, OSError) as error:
        gone.say(f"{gone.bundle.name}: not judged: {error}")
        return
    gone.say(f"{gone.bundle.name}: {verdict.verdict} ({gone.bundle / 'report.html'})")


def _undo_of(gone: GoneDrill) -> UndoLog | UndoMemory:
    """The log to continue; without disk space a copy in memory, so that everything is restored."""
    try:
        return open_undo(gone.target, gone.log.path, gone.log.read.header)
    except LogLost as error:
        gone.say(f"not on record: {error}")
        return UndoMemory(gone.log.read)


def _ledger_of(gone: GoneDrill, stop: StopReason, events: Sequence[Event]) -> Ledger | None:
    """The dead drill's ledger, with the reason of its end; None if it cannot be written."""
    ledger: Ledger | None = None
    try:
        ledger = Ledger(gone.bundle / "ledger.jsonl")
        for event, fields in events:
            ledger.append(event, **fields)
        if not read_ledger(ledger.path).of("stopped"):
            ledger.append(
                "stopped",
                by=stop.by,
                verdict=stop.verdict,
                detail=stop.detail,
                t_trip=stop.t_trip_s,
            )
    except MusterError as error:
        gone.say(f"not on record: {error}")
    return ledger


def _vanished(gone: GoneDrill, undo: Undo) -> Restored:
    """Record the changes that disappear together with a testbed."""
    changes = changes_in(undo)
    if changes:
        gone.say(f"testbed {gone.target.name} is down: what was changed no longer exists")
    for entry in changes:
        try:
            undo.mark(entry, "done", "the testbed that was changed no longer exists")
        except LogLost as error:
            gone.say(f"not on record: {error}")
    return Restored(True, (), (), ())


def _tell(gone: GoneDrill, outcome: Restored) -> None:
    for item in outcome.readback:
        gone.say(f"{'restored' if item.ok else 'NOT RESTORED'}: {item.subject}: {item.actual}")
    for left in outcome.another:
        gone.say(f"LEFT AS ANOTHER CHANGED IT: {left}")
    known = {item.subject for item in outcome.readback}
    for subject in outcome.failed:
        if subject not in known:
            gone.say(f"NOT RESTORED: {subject}: it could not be read back")
    for command in outcome.commands:
        gone.say(f"by hand: {command}")
    if not outcome.verified and gone.target.class_ == "testbed":
        gone.say("by hand: chaos drill down ends the testbed, and what was changed with it")


def _measured(
    gone: GoneDrill,
    ledger: Ledger | None,
    undo: Undo,
    outcome: Restored,
    entries: Sequence[UndoEntry],
) -> bool:
    """Whether the ledger now records what was restored, and what was measured of it."""
    if ledger is None:
        return False
    try:
        if outcome.readback or outcome.failed:
            record_verify(ledger, undo, outcome)
        gone.after_restore(entries, outcome, ledger)
    except LogLost as error:
        gone.say(f"not on record: {error}")
        return False
    return True


def _end(gone: GoneDrill, ledger: Ledger | None, undo: Undo, outcome: Restored) -> bool:
    """Whether the ledger and the undo log now record the result."""
    if ledger is None:
        return False
    try:
        if not read_ledger(ledger.path).of("drill_ended"):
            ledger.append("drill_ended")
    except LogLost as error:
        gone.say(f"not on record: {error}")
        return False
    if outcome.verified and changes_in(undo):
        gone.say(
            "not on record: the undo log could not be written; run this again once there is room"
        )
        return False
    return True
