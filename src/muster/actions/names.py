"""Faults of DNS with phases of their own, as Chaos Toolkit actions (imports as in `failover`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["back_in_dns", "caught_up", "dns_empty", "dns_stale"]


@activity
def dns_empty(session: Session, seconds: float) -> str:
    """Leave the public name without a record for `seconds`, then wait until users are served."""
    from muster.drill.phases import names

    names.leave_empty(session, seconds)
    return "the name has its records again"


@activity
def back_in_dns(session: Session, minutes: float) -> str:
    """Hold the load for `minutes` (scaled), judged by the drill's tier."""
    from muster.drill.phases import names

    names.hold_after(session, minutes, session.drill_tier)
    return "held"


@activity
def dns_stale(session: Session, share_pct: float, seconds: float) -> str:
    """Let answers be stale for `seconds`, and shift a share that they must not show."""
    from muster.drill.phases import names

    names.go_stale(session, share_pct, seconds, session.drill_tier)
    return "answers went on by old records"


@activity
def caught_up(session: Session, minutes: float) -> str:
    """Let the name server read again, wait until new streams follow, and hold for `minutes`."""
    from muster.drill.phases import names

    names.catch_up(session, minutes, session.drill_tier)
    return "new streams follow the weights"
