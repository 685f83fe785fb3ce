"""The regions that get traffic, by the weights that the samples show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

SIGNAL = "steering_weight"
Row = tuple[str, Mapping[str, str], Sequence[float | None]]


class Rotation:
    """The regions in rotation: at first all of `regions`, then those of weight above 0."""

    def __init__(self, regions: Iterable[str]) -> None:
        self._in = set(regions)

    @property
    def regions(self) -> frozenset[str]:
        """The regions in rotation now."""
        return frozenset(self._in)

    def saw(self, rows: Iterable[Row]) -> None:
        """Take the newest weights among the series of one look, by signal, labels and values.

        An unknown weight changes nothing: a region whose weight nobody knows stays guarded. So does
        one of several parts, as long as one of them has a weight.
        """
        newest: dict[str, list[float]] = {}
        for signal, labels, values in rows:
            if signal == SIGNAL and values and values[-1] is not None:
                newest.setdefault(labels.get("region", ""), []).append(values[-1])
        for region, weights in newest.items():
            (self._in.add if any(weights) else self._in.discard)(region)
