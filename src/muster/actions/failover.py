"""The phases of a failover drill as Chaos Toolkit actions, in the order of their use.

What they call is imported only when they are called: Chaos Toolkit imports this module to validate
a drill, and that must stay fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["baseline", "dark", "drain", "evacuate", "preflight", "ramp", "restore", "verify"]


@activity
def preflight(session: Session) -> str:
    """Check everything that must hold before the first change."""
    from muster.drill.phases.preflight import preflight as run_preflight

    session.phase_start("preflight", None)
    try:
        run_preflight(session)
    except BaseException:
        session.phase_end("failed")
        raise
    session.phase_end("ok")
    return "every check holds"


@activity
def ramp(session: Session) -> str:
    """Start the background load and wait until its streams are open and steady."""
    from muster.drill.phases import failover

    failover.ramp(session)
    return f"{session.streams_target} streams"


@activity
def baseline(session: Session, minutes: float) -> str:
    """Hold the load on all regions for `minutes` (scaled), judged by the gate's own tier."""
    from muster.drill.phases import failover

    failover.hold(session, "baseline", session.plan.gate.tier, minutes)
    return "held"


@activity
def evacuate(session: Session, shares_pct: list[float]) -> str:
    """Lower the region's traffic share step by step, each step paced by what is observed."""
    from muster.drill.phases import failover

    failover.evacuate(session, shares_pct, session.drill_tier)
    return f"{session.target.evacuate} at {shares_pct[-1]:g} %"


@activity
def drain(session: Session) -> str:
    """Wait until the region's streams have ended by themselves."""
    from muster.drill.phases import failover

    failover.drain(session, session.drill_tier)
    return "empty"


@activity
def dark(session: Session, minutes: float) -> str:
    """Stop the region, observe that it is dark, and hold for `minutes` (scaled)."""
    from muster.drill.phases import failover

    failover.darken(session, session.drill_tier, minutes)
    return "held dark"


@activity
def restore(session: Session, shares_pct: list[float]) -> str:
    """Start the region and raise its share step by step to what it was."""
    from muster.drill.phases import failover

    failover.restore_traffic(session, shares_pct, session.drill_tier)
    return "traffic as before"


@activity
def verify(session: Session) -> str:
    """Read every change back from the real systems."""
    from muster.drill.sight import observe

    observe.verify(session)
    return "undo log empty and read back"
