"""The loss of a region, by whatever, as Chaos Toolkit actions (imports as in `failover`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["comeback", "failed_over", "region_grey", "region_loss", "region_partition"]


@activity
def region_loss(session: Session) -> str:
    """Kill every gateway of the region, and wait until its traffic must have moved elsewhere."""
    from muster.drill.phases import abrupt_loss
    from muster.faults.region_loss import RegionLoss

    abrupt_loss.lose(session, RegionLoss)
    return f"{session.target.evacuate} is lost, and DNS no longer answers with it"


@activity
def region_partition(session: Session) -> str:
    """Cut the region off from outside, and wait until its traffic must have moved elsewhere."""
    from muster.drill.phases import abrupt_loss
    from muster.faults.region_partition import RegionPartition

    abrupt_loss.lose(session, RegionPartition)
    return f"{session.target.evacuate} is cut off, and DNS no longer answers with it"


@activity
def region_grey(session: Session) -> str:
    """Take the region its provider, and wait until its traffic must have moved elsewhere."""
    from muster.drill.phases import abrupt_loss
    from muster.faults.region_grey import RegionGrey

    abrupt_loss.lose(session, RegionGrey)
    return f"{session.target.evacuate} fails its users, and DNS no longer answers with it"


@activity
def failed_over(session: Session, minutes: float) -> str:
    """Hold the load on the survivors for `minutes` (scaled), judged by the drill's tier."""
    from muster.drill.phases import abrupt_loss

    abrupt_loss.hold_lost(session, session.drill_tier, minutes)
    return "held without the region"


@activity
def comeback(session: Session) -> str:
    """Take the fault back and wait until the region has its share of the streams again."""
    from muster.drill.phases import abrupt_loss

    abrupt_loss.come_back(session, session.drill_tier)
    return "traffic as before"
