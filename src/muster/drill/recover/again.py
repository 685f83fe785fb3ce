"""Recovery after the drill's process is gone: plays its undo log backwards.

It takes the drill's lock first, so that a running drill is never recovered, and two recoveries
never act at once. It ends and judges the dead drill's ledger, so that the evidence says what
happened. Restoring comes before evidence: an unreadable log does not prevent others from being
restored, and a full disk does not keep a region dark.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from muster import targets, testbed
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.conclude import conclude_released
from muster.drill.lock.held import TargetLock
from muster.drill.lock.lease import Seen
from muster.drill.lock.way import make_way
from muster.drill.recover.ended import GoneDrill, Say, end_gone_drill, judge_gone_drill
from muster.drill.stop import StopReason
from muster.drill.undo.logs import LeftLog, left_on
from muster.drill.undo.still import StillOurs
from muster.drill.undo.store import Held, stored_undo, with_stored
from muster.errors import BadInput, MusterError
from muster.judge.guarded import duty_over
from muster.ledger import read_ledger
from muster.platform import Platform, platform_of
from muster.targets import Target

EXIT_RESTORED = 0
EXIT_NOT_ON_RECORD = 4
EXIT_NOT_RESTORED = 5
DRILL_ID = re.compile(r"\d{8}T\d{6}Z-")
"""The prefix of a drill's id; a testbed that a person started has another owner."""


def recover_target(
    name_or_path: str, say: Say, clock: Clock = SYSTEM_CLOCK, seen: Seen | None = None
) -> int:
    """Recover every drill that left changes on the target; return the command's exit code.

    `seen`: a state of the shared lock that the caller has watched; any other is left alone.
    Raises BadInput for an invalid target, DrillAborted while a drill runs.
    """
    target = targets.load(name_or_path)
    make_way(target.name, say, clock)
    # A unique name: two recoveries, on two machines, must not take each other for themselves.
    lock = TargetLock(target, f"recover-{secrets.token_hex(4)}", clock)
    lock.acquire(patient=True, say=say, seen=seen)
    try:
        held = stored_undo(target)
        left = left_on(target.name)
        logs = with_stored(left.pending, target, str(targets.path_of(name_or_path)), held)
        if not logs and not left.unusable:
            say(f"target {target.name}: nothing is left changed")
        platform = reach(target, say, clock) if logs else None
        # The oldest values are those of the first drill: it is restored last.
        ended = [*left.unjudged, *reversed(logs)]
        exits = [recover_log(log, held, platform, target, say, clock, lock) for log in ended]
        for line in left.unusable:
            say(f"NOT RESTORED: {line}")
            exits.append(EXIT_NOT_RESTORED)
        if not any(exits):
            _end_orphan(target, say)
    finally:
        lock.release()
    return max(exits, default=EXIT_RESTORED)


def reach(target: Target, say: Say, clock: Clock = SYSTEM_CLOCK) -> Platform | None:
    """The target's platform; None if it was a testbed that no longer exists."""
    if target.class_ != "testbed":
        return platform_of(targets.resolve(target), clock)
    state = testbed.status(target.name)
    if state is None:
        return None
    for death in state.deaths:
        say(f"testbed {target.name}: {death['name']} ended by itself with {death['exit_code']}")
    return platform_of(targets.resolve(target, testbed=state.endpoints), clock)


def recover_log(
    log: LeftLog,
    held: Held | None,
    platform: Platform | None,
    target: Target,
    say: Say,
    clock: Clock = SYSTEM_CLOCK,
    lock: TargetLock | None = None,
) -> int:
    """Restore what one drill left; an error does not prevent the next one from being restored.

    `lock`: that of the target, asked before each change is restored (None: the store is away).
    """
    drill_id = log.read.header.drill_id
    if not log.read.pending and duty_over(_events(log)):
        return _finish_evidence(log, say)
    if log.read.pending:
        say(f"{drill_id}: {len(log.read.pending)} changes to restore")
    # What the store does not hold was never applied, or another machine has restored it.
    only = None if held is None else {entry.entry_id for entry in held.get(drill_id, ())}
    left = only if lock is None else StillOurs(lock, only, clock)
    detail = "the drill's process ended before the drill did"
    stop = StopReason("lost_lease", "ABORTED", detail, clock.now_s())
    gone = GoneDrill(log, platform, target, say, left, clock=clock)
    try:
        ended = end_gone_drill(gone, stop)
        if ended.recorded:
            judge_gone_drill(gone)
    except (MusterError, OSError) as error:
        say(f"NOT RESTORED: {drill_id}: {error}")
        return EXIT_NOT_RESTORED
    if not ended.verified:
        return EXIT_NOT_RESTORED
    return EXIT_RESTORED if ended.recorded else EXIT_NOT_ON_RECORD


def _events(log: LeftLog) -> tuple[dict[str, Any], ...]:
    try:
        return read_ledger(log.path.with_name("ledger.jsonl")).events
    except BadInput:
        return ()


def _finish_evidence(log: LeftLog, say: Say) -> int:
    """Everything was restored and there is nothing left to guard: only the drill's last files are
    missing.
    """
    bundle = log.path.parent
    try:
        verdict = conclude_released(bundle)
    except (MusterError, OSError) as error:
        say(f"{bundle.name}: not judged: {error}")
        return EXIT_NOT_ON_RECORD
    say(f"{bundle.name}: had ended: {verdict} ({bundle / 'report.html'})")
    return EXIT_RESTORED


def _end_orphan(target: Target, say: Say) -> None:
    """End a testbed that a drill started: this process holds the lock, so that drill is gone."""
    state = testbed.status(target.name) if target.class_ == "testbed" else None
    if state is not None and DRILL_ID.match(state.owner):
        testbed.down(target.name)
        say(f"testbed {target.name}: ended, since {state.owner} had started it")
