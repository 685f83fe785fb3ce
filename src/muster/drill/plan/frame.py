"""The frame of every drill: what comes before any fault and after all of them.

A drill under load goes from preflight to baseline, through whole blocks of faults, to verify. A
drill of the safety net has an order of its own and moves no traffic.
"""

from __future__ import annotations

from muster.faults import Planned, Scene, drill_step
from muster.faults.safety_record import SafetyRecord
from muster.faults.steps import SINGLE

FAILOVER = "muster.actions.failover"
NET = "muster.actions.safety"
BEGINNING = ("preflight", "ramp", "baseline")
END = "verify"
SAFETY = ("preflight", "lock", "freeze", "undo", "guard", "verify")


@drill_step(FAILOVER, phase=None)
def preflight(scene: Scene) -> Planned:
    """Checks."""
    return Planned("checks what must hold before any effect")


@drill_step(FAILOVER, phase="ramp")
def ramp(scene: Scene) -> Planned:
    """Starts the load."""
    return Planned("starts the load and waits for its streams")


@drill_step(FAILOVER, phase="baseline")
def baseline(scene: Scene, minutes: float) -> Planned:
    """Holds before any fault."""
    return Planned(f"holds the load on all regions for {scene.lasts(minutes)}")


@drill_step(SINGLE, phase="recovery")
def recovery(scene: Scene, seconds: float) -> Planned:
    """Holds after a single fault."""
    return Planned(f"holds the load for {seconds:g} s after the fault")


@drill_step(FAILOVER, phase="verify")
def verify(scene: Scene) -> Planned:
    """Reads back."""
    return Planned("reads every change back from the real systems")


@drill_step(NET, phase="safety_lock")
def lock(scene: Scene) -> Planned:
    """Tries the lock."""
    return Planned("tries the target's lock from a second holder")


@drill_step(NET, phase="safety_freeze")
def freeze(scene: Scene) -> Planned:
    """Asks the calendar."""
    return Planned("asks the calendar at moments that must refuse")


@drill_step(NET, phase="safety_undo")
def undo(scene: Scene) -> Planned:
    """Writes a record of its own and takes it back."""
    what = "writes a record of its own, sees it, takes it back, and reads that back"
    return Planned(what, (SafetyRecord(scene.platform, scene.region),))


@drill_step(NET, phase="safety_guard")
def guard(scene: Scene) -> Planned:
    """Plants a breach."""
    what = "feeds a guard a planted breach, with a record of its own to put back when it trips"
    return Planned(what, (SafetyRecord(scene.platform, scene.region),))


FRAME = (preflight, ramp, baseline, recovery, verify, lock, freeze, undo, guard)
