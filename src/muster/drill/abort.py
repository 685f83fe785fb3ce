"""Aborts a drill: restores everything in one step, and measures the time from the trip."""

from __future__ import annotations

import logging

from muster.drill.session import Session
from muster.drill.sight import observe
from muster.drill.undo.restore import changes_in, record_verify, restore
from muster.drill.undo.restore_time import restore_bound_s, restore_finding
from muster.drill.undo.still import StillOurs
from muster.faults import stops_region

logger = logging.getLogger("chaostoolkit")


def restore_all(session: Session) -> str:
    """Restore what is pending, record the read-back, and measure the time from trip to restored.

    Idempotent: if the drill has already restored everything, there is nothing to do.
    """
    session.close_begun()
    if not changes_in(session.undo):
        return "nothing to restore"
    session.expected.release()
    session.watchdog.act()
    changes = changes_in(session.undo)
    dark = any(stops_region(entry.kind) for entry in changes)
    moved = any(entry.kind == "traffic_shift" for entry in changes)
    logger.warning(
        "restoring %d changes, the last one first; another Ctrl-C does not stop this",
        len(changes),
    )
    restored = session.slow(
        lambda: restore(
            session.platform,
            session.undo,
            session.ledger,
            StillOurs(session.lock, clock=session.clock),
            trying=session.allow_slow,
            clock=session.clock,
        )
    )
    record_verify(session.ledger, session.undo, restored)
    session.restored = True
    reason = session.stop.reason
    back = restored.verified and not restored.another
    if reason is not None and back and (moved or dark):
        _measure(session, reason.t_trip_s, dark)
    if not restored.verified:
        for command in restored.commands:
            logger.error("by hand: %s", command)
        return f"not restored: {', '.join(restored.failed)}"
    return f"restored {len(restored.readback)} changes"


def _measure(session: Session, t_trip_s: float, dark: bool) -> None:
    """Measure trip to restored, while the load still shows where new streams go."""
    before = session.weights_before
    if not before or not session.load.started:
        return
    bound_s = restore_bound_s(
        session.plan.contract, session.ttl_s, session.health_checks, dark=dark
    )
    # Restoring was the last step: what was counted before it is no answer to it.
    session.step_at_s = session.clock.now_s()
    seconds_max = session.samples.bound_s(2 * bound_s + 3 * session.poll_s)
    back_s = observe.wait_split_back(session, before, seconds_max)
    # From sample to sample: how late they come is not how long it took.
    took_s = None if back_s is None else session.shown_after_s(t_trip_s)
    if took_s is not None:
        session.timing("trip_to_restored_s", took_s)
    seen = session.load.alive() and session.watch.alive
    finding = restore_finding(session.target.evacuate, took_s, bound_s, seen=seen)
    session.record("finding", finding=finding.as_json())
