"""Faults: each with apply, observe, revert and a read-back."""

from muster.faults.model import Fault, FaultError, Proof, ReadBack
from muster.faults.registry import FAULTS, fault_of

__all__ = ["FAULTS", "Fault", "FaultError", "Proof", "ReadBack", "fault_of"]
