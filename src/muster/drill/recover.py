"""Recovery after the drill's process is gone: its undo log played back from outside.

The drill's lock is taken first, so that a drill that still runs is never recovered under its feet,
and two recoveries never act at once. The dead drill's ledger is ended and judged, so that its
evidence says what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from muster import home, targets, testbed
from muster.drill.conclude import conclude
from muster.drill.lock import TargetLock
from muster.drill.restore import record_verify, restore
from muster.errors import BadInput
from muster.ledger import Ledger, read_ledger
from muster.targets import Target
from muster.undo import UndoLog, UndoRead, read_undo

EXIT_RESTORED = 0
EXIT_NOT_RESTORED = 5


def recover_target(name_or_path: str, say: Callable[[str], None]) -> int:
    """Recover every drill that left changes on the target; the command's exit code.

    Raises BadInput for a target or log that cannot be used, DrillAborted while a drill runs.
    """
    target = targets.load(name_or_path)
    with TargetLock(target.name, "chaos drill recover"):
        logs = _pending_logs(target.name)
        if not logs:
            say(f"target {target.name}: nothing is left changed")
            return EXIT_RESTORED
        resolved = _reach(target)
        # The oldest values are those of the first drill: it is restored last.
        verified = [_recover(path, log, resolved, target, say) for path, log in reversed(logs)]
    return EXIT_RESTORED if all(verified) else EXIT_NOT_RESTORED


def _pending_logs(target: str) -> list[tuple[Path, UndoRead]]:
    found: list[tuple[Path, UndoRead]] = []
    for path in sorted(home.out_dir().glob("*/undo.jsonl")):
        if path.parent.is_symlink():
            continue
        log = read_undo(path)
        if log.header.target == target and log.pending:
            found.append((path, log))
    return found


def _reach(target: Target) -> Target | None:
    """The target with its endpoints; None when it was a testbed that is no longer there."""
    if target.class_ != "testbed":
        return targets.resolve(target)
    state = testbed.status(target.name)
    return None if state is None else targets.resolve(target, testbed=state.endpoints)


def _recover(
    path: Path, log: UndoRead, resolved: Target | None, target: Target, say: Callable[[str], None]
) -> bool:
    bundle = path.parent
    say(f"{log.header.drill_id}: {len(log.pending)} changes to restore")
    undo = UndoLog(path, log.header)
    ledger = Ledger(bundle / "ledger.jsonl")
    try:
        if not _stopped(bundle):
            ledger.append(
                "stopped",
                by="lost_lease",
                verdict="ABORTED",
                detail="the drill's process was gone before the drill had ended",
            )
        if resolved is None:
            for entry in undo.pending:
                undo.mark(entry, "done", "the testbed that was changed no longer exists")
            say(f"testbed {target.name} is down: what was changed no longer exists")
            verified = True
        else:
            outcome = restore(resolved, undo, ledger)
            record_verify(ledger, undo, outcome)
            for item in outcome.readback:
                say(f"{'restored' if item.ok else 'NOT RESTORED'}: {item.subject}: {item.actual}")
            for command in outcome.commands:
                say(f"by hand: {command}")
            verified = outcome.verified
        if not read_ledger(ledger.path).of("drill_ended"):
            ledger.append("drill_ended")
    finally:
        ledger.close()
        undo.close()
    _judge(bundle, say)
    return verified


def _stopped(bundle: Path) -> bool:
    return bool(read_ledger(bundle / "ledger.jsonl").of("stopped"))


def _judge(bundle: Path, say: Callable[[str], None]) -> None:
    """Verdict and report of the dead drill, as far as its evidence goes."""
    try:
        verdict = conclude(bundle)
    except BadInput as error:
        say(f"{bundle.name}: not judged: {error}")
        return
    say(f"{bundle.name}: {verdict.verdict} ({bundle / 'report.html'})")
