"""Faults: each with apply, observe, revert, read-back, and the step that applies it."""

from muster.faults.model import Fault, FaultError, PlatformFault, ReadBack, RegionalFault
from muster.faults.registry import fault_of, kinds, registered, stops_region, undo_params_of
from muster.faults.steps import (
    DrillStep,
    Planned,
    Scene,
    Within,
    WrongArgument,
    drill_step,
    single_fault,
)
from muster.platform.port import Change, Proof, Touch

__all__ = [
    "Change",
    "DrillStep",
    "Fault",
    "FaultError",
    "Planned",
    "PlatformFault",
    "Proof",
    "ReadBack",
    "RegionalFault",
    "Scene",
    "Touch",
    "Within",
    "WrongArgument",
    "drill_step",
    "fault_of",
    "kinds",
    "registered",
    "single_fault",
    "stops_region",
    "undo_params_of",
]
