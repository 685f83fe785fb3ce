"""One fault, one region: write the undo, apply, see it bite, hold, revert, read back.

The holds are real seconds: they stand against bounds of the platform (a gateway's local fallback
lasts 120 s) that no time scale shortens.
"""

from __future__ import annotations

from muster.drill import observe
from muster.drill.phases import phase
from muster.drill.session import Session
from muster.faults import Fault


def run(session: Session, fault: Fault, seconds: float) -> None:
    """The phase `fault`. A fault that is not seen to bite is recorded so, and held all the same."""
    tier = session.plan.gate.drill_tier or session.plan.gate.tier
    with phase(session, "fault", tier):
        observe.check_last_healthy(session, fault.region)
        session.write_undo(fault)
        session.declare_fault(fault.kind, fault.region, fault.expects)
        session.slow(fault.apply)
        session.record("fault_applied", fault=fault.kind, region=fault.region)
        proof = fault.observe()
        session.record_proof(fault.kind, fault.region, proof)
        session.wait_with_progress(seconds)
        session.slow(fault.revert)
        session.fault_reverted(fault.kind, fault.region)


def recovery(session: Session, seconds: float) -> None:
    """The phase `recovery`: the platform after the fault, by the same tier."""
    tier = session.plan.gate.drill_tier or session.plan.gate.tier
    with phase(session, "recovery", tier):
        session.wait_with_progress(seconds)
