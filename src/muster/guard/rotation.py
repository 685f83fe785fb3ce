"""The regions that get traffic, by the weights that the samples show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

SIGNAL = "steering_weight"


class Rotation:
    """The regions in rotation: at first all of `regions`, then those of weight above 0."""

    def __init__(self, regions: Iterable[str]) -> None:
        self._in = set(regions)

    @property
    def regions(self) -> frozenset[str]:
        """The regions in rotation now."""
        return frozenset(self._in)

    def saw(self, signal: str, labels: Mapping[str, str], values: Sequence[float | None]) -> None:
        """Take one series' newest value, if it is a weight.

        An unknown weight changes nothing: a region whose weight nobody knows stays guarded.
        """
        if signal != SIGNAL or not values or values[-1] is None:
            return
        (self._in.add if values[-1] else self._in.discard)(labels.get("region", ""))
