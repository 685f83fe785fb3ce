"""What an abort does: everything back in one step, and how long that took from the trip."""

from __future__ import annotations

import logging
import time

from muster.drill import observe
from muster.drill.restore import record_verify, restore
from muster.drill.session import Session

logger = logging.getLogger("chaostoolkit")
START_UP_S = 20.0


def restore_all(session: Session) -> str:
    """Restore what is pending, record the read-back, and measure trip to restored.

    Idempotent: after a drill that put everything back itself there is nothing to do.
    """
    if not session.undo.pending:
        return "nothing to restore"
    dark = any(entry.kind == "region_power" for entry in session.undo.pending)
    moved = any(entry.kind == "traffic_shift" for entry in session.undo.pending)
    logger.warning("restoring %d changes", len(session.undo.pending))
    restored = restore(session.target, session.undo, session.ledger)
    record_verify(session.ledger, session.undo, restored)
    session.restored = True
    reason = session.stop.reason
    if reason is not None and restored.verified and moved:
        _measure(session, reason.t_trip_s, dark)
    if not restored.verified:
        for command in restored.commands:
            logger.error("by hand: %s", command)
        return f"not restored: {', '.join(restored.failed)}"
    return f"restored {len(restored.readback)} changes"


def _measure(session: Session, t_trip_s: float, dark: bool) -> None:
    """Trip to restored: within the contract's seconds + TTL; from dark, detection and start-up."""
    before = session.weights_before
    if not before or not session.load.started:
        return
    interval_s, threshold = max(session.health_checks.values(), default=(0, 0))
    bound_s = session.plan.contract.drill.restore_s_max + session.ttl_s
    if dark:
        bound_s += interval_s * threshold + START_UP_S
    took_s = observe.wait_split_back(session, before, 2 * bound_s + 3 * session.poll_s)
    name = "trip_to_restored_s"
    if took_s is None:
        session.finding(
            "restore_time",
            "fail",
            measured=None,
            threshold=bound_s,
            unit="s",
            region=session.target.evacuate,
            reason="traffic did not come back as before",
        )
        return
    total_s = time.time() - t_trip_s
    session.timing(name, total_s)
    status = "pass" if total_s <= bound_s else "fail"
    session.finding(
        "restore_time",
        status,
        measured=round(total_s, 3),
        threshold=bound_s,
        unit="s",
        region=session.target.evacuate,
        reason="from the sample that tripped to traffic back",
    )
