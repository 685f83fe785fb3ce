"""The steps of a small shift: a share of a region's traffic goes to the others, and comes back.

Nothing is stopped and no region goes dark: it is the first drill on a platform that no drill has
met. What steers is the fault of an evacuation, so whoever restores knows it.
"""

from __future__ import annotations

from muster.faults.steps import Planned, Scene, WrongArgument, drill_step
from muster.faults.traffic_shift import TrafficShift

ACTIONS = "muster.actions.shift"
SHARE = "per cent of the region's traffic, a number over 0 and under 100"
"""What the share of a shift must be, for a person."""


def is_share(value: object) -> bool:
    """Whether `value` is a share that can be shifted: neither nothing nor all of it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < 100


@drill_step(ACTIONS, phase="shift", then=("shifted", "shift_back"))
def shift_share(scene: Scene, share_pct: float) -> Planned:
    """Moves a share of the region's traffic away. Raises WrongArgument for one that is none."""
    if not is_share(share_pct):
        raise WrongArgument("share_pct", share_pct, SHARE)
    what = f"shifts {share_pct:g} % of the traffic of {scene.region} to the other regions"
    return Planned(what, (TrafficShift(scene.platform, scene.region, less_pct=share_pct),))


@drill_step(ACTIONS, phase="shifted")
def shifted(scene: Scene, minutes: float) -> Planned:
    """Holds with the share away."""
    return Planned(f"holds the load with that share away for {scene.lasts(minutes)}")


@drill_step(ACTIONS, phase="shift_back", back=True)
def shift_back(scene: Scene, minutes: float) -> Planned:
    """Moves it back, and holds after it."""
    what = f"shifts the traffic of {scene.region} back, and holds for {scene.lasts(minutes)}"
    return Planned(what, (TrafficShift(scene.platform, scene.region),))
