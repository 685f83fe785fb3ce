"""One fault: write the undo, apply, verify its effect all through the hold, revert.

Holds are in real seconds: they relate to time limits of the platform (a gateway's local fallback
lasts 120 s) that no time scale shortens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.drill.phases.applied import apply_declared
from muster.drill.phases.failover import phase
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.quiet import await_quiet
from muster.faults import DrillStep, Fault, Scene


def run(session: Session, step: DrillStep, seconds: float, arguments: Mapping[str, Any]) -> None:
    """The phase `fault` with the one fault of `step`. Raises WrongArgument before any effect."""
    scene = Scene(session.platform, 60.0 / session.time_scale, seed=session.plan.settings.seed)
    (fault,) = step.planned(scene, {"seconds": seconds, **arguments}).faults
    hold(session, fault, seconds)


def hold(session: Session, fault: Fault, seconds: float) -> None:
    """Apply, hold, revert. An effect that is not verified is recorded so, and held all the same.

    Never the last healthy region: a fault without a region spares none, so all must be ready.
    """
    with phase(session, "fault", session.drill_tier):
        observe.check_last_healthy(session, fault.region)
        apply_declared(session, fault)
        proofs.await_bite(session, fault)
        with proofs.throughout(session, fault):
            session.let_pass(seconds)
        session.slow(fault.revert)
        session.fault_reverted(fault)


def recovery(session: Session, seconds: float) -> None:
    """The phase `recovery`: `seconds` with the same tier, then until the platform is quiet."""
    with phase(session, "recovery", session.drill_tier):
        await_quiet(session, seconds)
