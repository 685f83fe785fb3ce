"""A small shift of traffic as Chaos Toolkit actions (imports as in `failover`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["shift_back", "shift_share", "shifted"]


@activity
def shift_share(session: Session, share_pct: float) -> str:
    """Move `share_pct` percent of the region's traffic to the others; wait for the new split."""
    from muster.drill.phases import share_shift

    had_pct = share_shift.move_away(session, share_pct, session.drill_tier)
    return f"{session.target.evacuate} at {had_pct:g} %"


@activity
def shifted(session: Session, minutes: float) -> str:
    """Hold the load with the shifted weights for `minutes` (scaled), judged by the drill's tier."""
    from muster.drill.phases import share_shift

    share_shift.hold_away(session, minutes, session.drill_tier)
    return "held"


@activity
def shift_back(session: Session, minutes: float) -> str:
    """Restore the weights, wait for the former split, and hold for `minutes` (scaled)."""
    from muster.drill.phases import share_shift

    share_shift.move_back(session, minutes, session.drill_tier)
    return "traffic as before"
