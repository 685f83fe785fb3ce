"""Clients that hold their connections past the TTL: the regions are asked to release them."""

from __future__ import annotations

from muster.drill.session import Session
from muster.faults.drain import Drain
from muster.faults.evacuation import releases


def release_held(session: Session) -> tuple[Drain, ...]:
    """Ask every region to close its clients' connections, if some are held past the TTL.

    Without that, clients who left with the evacuation would stay where they are. If only the
    survivors were asked, all who hold would end in the region that does not close.
    """
    if not session.plan.holds_connections:
        return ()
    session.drain_look.rest()
    drains = releases(session.platform)
    for drain in drains:
        session.write_undo(drain)
        session.slow(drain.apply)
    return drains
