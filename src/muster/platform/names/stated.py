"""Names as the target states them, if they cannot be read from anything."""

from __future__ import annotations

import math

from muster.platform.names.model import Names
from muster.platform.steering import Steering
from muster.targets.names import StatedNames as Settings


class StatedNames(Names):
    """One TTL and one detection time for all regions; addresses come from the target's regions."""

    def __init__(self, settings: Settings, regions: tuple[str, ...], steering: Steering) -> None:
        self._settings = settings
        self._regions = regions

    def ttl_s(self) -> int:
        return self._settings.ttl_s

    def detection(self) -> dict[str, tuple[int, int]]:
        seconds = self._settings.detection_s_max
        return {} if seconds is None else {one: (math.ceil(seconds), 1) for one in self._regions}

    def addresses(self) -> dict[str, tuple[str, ...]]:
        return {}
