"""Traffic moved away from a region: its weight in whatever steers the public name.

The region gets a share of the traffic, and the other regions keep their proportions.
`weights_back.py` puts the weights back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.faults.model import FaultError
from muster.faults.weights_back import WeightsMoved, said
from muster.platform import Platform
from muster.platform.port import Change, Proof
from muster.platform.steering import shares_of

SETS_KEPT = 2
"""The weights set last, and those before: a drill may die between writing and setting them."""


class TrafficShift(WeightsMoved):
    """The region's traffic share is `share_pct`; the rest keeps its proportions.

    `less_pct`: the region gives up so many percent of the share that it had, and `share_pct` says
    nothing.
    """

    kind = "traffic_shift"

    def __init__(
        self,
        platform: Platform,
        region: str,
        share_pct: float = 0.0,
        before: Mapping[str, int] | None = None,
        saved: Mapping[str, Any] | None = None,
        sets: Sequence[Mapping[str, int]] | None = None,
        less_pct: float | None = None,
    ) -> None:
        super().__init__(platform, region, before, saved, sets)
        self.share_pct = share_pct
        self.less_pct = less_pct

    @property
    def subject(self) -> str:
        return self._steering.subject

    @property
    def aim(self) -> str:
        if self.less_pct is not None:
            return f"{self.less_pct:g} % of the region's traffic elsewhere"
        return f"{self.share_pct:g} % of the traffic"

    def change(self) -> Change:
        if self._before is None:
            self._before = self._steering.weights()
        return Change(said(self._before), said(self.weights()))

    def weights(self) -> dict[str, int]:
        """The weights that give the region the possible share nearest to the wanted one.

        Raises FaultError, and SteeringError if the weights before are not known yet.
        """
        before = self._steering.weights() if self._before is None else self._before
        share_pct = self.share_pct
        if self.less_pct is not None:
            share_pct = shares_of(before).get(self.region, 0.0) * (1 - self.less_pct / 100)
        try:
            return self._steering.weights_for(before, self.region, share_pct)
        except ValueError as error:
            raise FaultError(f"{self.subject}: {error}") from error

    @property
    def share_had_pct(self) -> float:
        """The percentage that `weights` give the region: weights are whole numbers."""
        return shares_of(self.weights())[self.region]

    def apply(self) -> None:
        self._steering.set_weights(self.weights())

    def observe(self) -> Proof:
        shown = self._steering.weights()
        share = shares_of(shown).get(self.region)
        if share is None:
            return Proof(False, f"no part gives {self.region} any weight")
        return Proof(
            shown == self.weights(),
            f"the weights give {self.region} {share:.0f} %",
            {"share_pct": share},
        )
