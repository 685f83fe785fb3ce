"""The steps of a small shift: move a share of a region's traffic to the other regions and back.

It stops nothing and darkens no region: it is the first drill on a new platform. It uses the same
fault as an evacuation (`TrafficShift`), so watchdog and `recover` can undo it.
"""

from __future__ import annotations

from muster.faults.steps import Planned, Scene, WrongArgument, drill_step
from muster.faults.traffic_shift import TrafficShift

ACTIONS = "muster.actions.shift"
SHARE = "per cent of the region's traffic, a number over 0 and under 100"
"""The valid values of `share_pct`, for error messages."""


def is_share(value: object) -> bool:
    """Whether `value` is a number over 0 and under 100."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < 100


@drill_step(ACTIONS, phase="shift", then=("shifted", "shift_back"))
def shift_share(scene: Scene, share_pct: float) -> Planned:
    """Moves a share of the region's traffic away. Raises WrongArgument for an invalid share."""
    if not is_share(share_pct):
        raise WrongArgument("share_pct", share_pct, SHARE)
    what = f"shifts {share_pct:g} % of the traffic of {scene.region} to the other regions"
    return Planned(what, (TrafficShift(scene.platform, scene.region, less_pct=share_pct),))


@drill_step(ACTIONS, phase="shifted")
def shifted(scene: Scene, minutes: float) -> Planned:
    """Holds with the shifted weights."""
    return Planned(f"holds the load with the shifted weights for {scene.lasts(minutes)}")


@drill_step(ACTIONS, phase="shift_back", back=True, shared=True)
def shift_back(scene: Scene, minutes: float) -> Planned:
    """Restores the weights and holds."""
    what = f"shifts the traffic of {scene.region} back, and holds for {scene.lasts(minutes)}"
    return Planned(what, (TrafficShift(scene.platform, scene.region),))
