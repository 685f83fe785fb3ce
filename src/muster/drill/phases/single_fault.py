"""One fault, one region: write the undo, apply, see it bite all through the hold, revert.

The holds are real seconds: they stand against bounds of the platform (a gateway's local fallback
lasts 120 s) that no time scale shortens.
"""

from __future__ import annotations

from muster.drill.phases.failover import phase
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.quiet import await_quiet
from muster.faults import Fault


def run(session: Session, fault: Fault, seconds: float) -> None:
    """The phase `fault`. A fault that is not seen to bite is recorded so, and held all the same."""
    with phase(session, "fault", session.drill_tier):
        observe.check_last_healthy(session, fault.region)
        session.write_undo(fault)
        session.declare_fault(fault.kind, fault.region, fault.expects)
        session.slow(fault.apply)
        session.record("fault_applied", fault=fault.kind, region=fault.region)
        proofs.await_bite(session, fault)
        with proofs.throughout(session, fault):
            session.wait_with_progress(seconds)
        session.slow(fault.revert)
        session.fault_reverted(fault.kind, fault.region)


def recovery(session: Session, seconds: float) -> None:
    """The phase `recovery`: `seconds` by the same tier, and on until the platform is quiet."""
    with phase(session, "recovery", session.drill_tier):
        await_quiet(session, seconds)
