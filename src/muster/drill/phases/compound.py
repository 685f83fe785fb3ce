"""A single fault around other phases: begun in a phase of its own, and ended in another.

Between the two it is looked at as through a hold. Nothing of it is left if the drill stops: its
undo entry is written before it is applied, as every other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.drill.phases.applied import apply_declared
from muster.drill.phases.arrivals import judgeable_s
from muster.drill.phases.failover import phase
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.errors import DrillAborted
from muster.faults import DrillStep, Scene

SCRAPES = 5
"""A phase is judged by its own samples, so it lasts at least so many scrapes."""


def begin(session: Session, step: DrillStep, arguments: Mapping[str, Any]) -> None:
    """Apply the one fault of `step`, and go on. Raises WrongArgument before any effect."""
    scene = Scene(session.platform, 60.0 / session.time_scale, seed=session.plan.settings.seed)
    (fault,) = step.planned(scene, arguments).faults
    with phase(session, step.func, session.drill_tier):
        began_s = session.clock.monotonic_s()
        observe.check_survivors_ready(session)
        apply_declared(session, fault)
        proofs.await_bite(session, fault)
        session.begun[step.func] = proofs.go_on(session, fault)
        _stay(session, began_s)


def end(session: Session, step: DrillStep) -> None:
    """Record what the looks saw since it was begun, and revert it."""
    with phase(session, step.func, session.drill_tier):
        began_s = session.clock.monotonic_s()
        begun = session.begun.pop(step.ends, None)
        if begun is None:
            raise DrillAborted(f"action:{step.func}", f"no {step.ends} came before it")
        session.stop.allow(begun.fault.look_s_max)
        session.record_proof(begun.fault.kind, begun.fault.region, begun.finish())
        session.slow(begun.fault.revert)
        session.fault_reverted(begun.fault)
        _stay(session, began_s)


def _stay(session: Session, began_s: float) -> None:
    """Let the phase, which began at `began_s`, last until its samples are enough to judge it."""
    scrapes_s = SCRAPES * session.target.prometheus.scrape_interval_s
    needed_s = max(judgeable_s(session, session.drill_tier), scrapes_s)
    session.let_pass(max(0.0, began_s + needed_s - session.clock.monotonic_s()))
