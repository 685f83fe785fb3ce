"""The steps of an evacuation, which uses three faults: shift the traffic, drain, stop, restore.

A region is never stopped before it is drained, and never drained before traffic has moved. A drill
must therefore contain all four steps, in this order.
"""

from __future__ import annotations

from muster.faults.drain import Drain
from muster.faults.model import Fault
from muster.faults.region_power import RegionPower
from muster.faults.steps import Planned, Scene, drill_step
from muster.faults.traffic_shift import TrafficShift
from muster.platform import Platform
from muster.platform.drain import DrainState

ACTIONS = "muster.actions.failover"


@drill_step(ACTIONS, phase="evacuate", then=("drain", "dark", "restore"))
def evacuate(scene: Scene, shares_pct: list[float]) -> Planned:
    """Moves the traffic away, step by step."""
    steps = ", ".join(f"{share:g}" for share in shares_pct)
    what = f"lowers the traffic share of {scene.region} step by step: {steps} %"
    shifts = (TrafficShift(scene.platform, scene.region, share) for share in shares_pct)
    return Planned(what, (*shifts, *_drains(scene, "closing")))


@drill_step(ACTIONS, phase="drain")
def drain(scene: Scene) -> Planned:
    """Waits until no stream is left."""
    what = f"waits until the streams of {scene.region} have ended by themselves"
    return Planned(what, _drains(scene, "draining"))


@drill_step(ACTIONS, phase="dark")
def dark(scene: Scene, minutes: float) -> Planned:
    """Stops the region."""
    what = f"stops {scene.region} and holds it dark for {scene.lasts(minutes)}"
    return Planned(what, (RegionPower(scene.platform, scene.region),))


@drill_step(ACTIONS, phase="restore", back=True)
def restore(scene: Scene, shares_pct: list[float]) -> Planned:
    """Reverts all of it."""
    steps = ", ".join(f"{share:g}" for share in shares_pct)
    what = f"starts {scene.region} and raises its share step by step: {steps} %, then as before"
    power = RegionPower(scene.platform, scene.region)
    shift = TrafficShift(scene.platform, scene.region, 0)
    every = releases(scene.platform) if scene.held else ()
    closing = tuple(one for one in every if one.region != scene.region)
    if every:
        what += ", while every region is asked to release the clients that hold connections"
    return Planned(what, (power, *_drains(scene, "serving"), *closing, shift))


def releases(platform: Platform) -> tuple[Drain, ...]:
    """What asks each region to close its clients' connections, so that held ones return too."""
    every = (Drain(platform, name, "closing") for name in platform.target.regions)
    return tuple(one for one in every if one.asks)


def _drains(scene: Scene, state: DrainState) -> tuple[Fault, ...]:
    drain = Drain(scene.platform, scene.region, state)
    return (drain,) if drain.asks else ()
