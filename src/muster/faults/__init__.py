"""Faults: each with apply, observe, revert and a read-back."""

from muster.faults.model import Fault, FaultError, ReadBack
from muster.faults.registry import FAULTS, fault_of, stops_region
from muster.platform.port import Change, Proof, Touch

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
