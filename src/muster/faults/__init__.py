"""Faults: each with apply, observe, revert and a read-back."""

from muster.faults.model import Change, Fault, FaultError, Proof, ReadBack, Touch
from muster.faults.registry import FAULTS, fault_of, stops_region

__all__ = [
    "FAULTS",
    "Change",
    "Fault",
    "FaultError",
    "Proof",
    "ReadBack",
    "Touch",
    "fault_of",
    "stops_region",
]
