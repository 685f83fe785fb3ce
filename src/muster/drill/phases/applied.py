"""The order in which every fault begins."""

from __future__ import annotations

from muster.drill.session import Session
from muster.faults import Fault


def apply_declared(session: Session, fault: Fault) -> None:
    """Apply `fault`: first its undo entry, then its declaration to the guard, then the effect."""
    session.write_undo(fault)
    session.declare_fault(fault)
    session.slow(fault.apply)
    session.record("fault_applied", fault=fault.kind, region=fault.region)
