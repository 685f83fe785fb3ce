"""Traffic moved away from a region: its weight in whatever steers the public name.

The undo entry holds the weights before the drill, what the steering adapter saved, and the weights
that the drill set last or was about to set (`sets`, by part). If a part shows any other weight,
another party changed it since: it is left as it is, and the message says so. An entry without
`sets` restores everything: `sets` exists only if each step is written to the undo log before it is
made (none yet: an empty list).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from muster.faults.model import FaultError, ReadBack, RegionalFault
from muster.platform import Platform
from muster.platform.port import Change, Proof, Touch, Unusable
from muster.platform.steering import SteeringAway, SteeringError, restoration, shares_of
from muster.platform.steering.expected import Restoration
from muster.platform.steering.parts import Snapshot, weights_of

AWAY_S_MAX = 60.0
"""For how long a call is repeated while the steering API says that it is away, in seconds."""
SETS_KEPT = 2
"""The weights set last, and those before: a drill may die between writing and setting them."""


class TrafficShift(RegionalFault):
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
        super().__init__(platform, region)
        self.share_pct = share_pct
        self.less_pct = less_pct
        self._saved = dict(saved) if saved else {}
        self._sets = None if sets is None else [dict(one) for one in sets]
        self._before = dict(before) if before is not None else None
        self._steering = platform.steering
        self._away = False

    @property
    def subject(self) -> str:
        return self._steering.subject

    @property
    def aim(self) -> str:
        if self.less_pct is not None:
            return f"{self.less_pct:g} % of the region's traffic elsewhere"
        return f"{self.share_pct:g} % of the traffic"

    @property
    def retry_s(self) -> float:
        return AWAY_S_MAX if self._away else self._steering.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), *self._steering.touches())

    def unusable(self) -> Unusable | None:
        found = self._steering.unusable()
        return None if found is None else found.within("steering")

    def rehearse(self) -> tuple[str, ...]:
        return self._steering.rehearse()

    def change(self) -> Change:
        if self._before is None:
            self._before = self._steering.weights()
        return Change(_shown(self._before), _shown(self.weights()))

    def undo_params(self) -> dict[str, Any]:
        if self._before is None:
            self._before = self._steering.weights()
        if not self._saved:
            self._saved = self._steering.saved()
        params = {"weights": self._before, **self._saved}
        return params if self._sets is None else {**params, "sets": self._sets}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        saved = {key: value for key, value in params.items() if key not in ("weights", "sets")}
        sets = params.get("sets")
        return cls(platform, region, before=params["weights"], saved=saved, sets=sets)

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

    def revert(self) -> None:
        if self._before is None:
            raise FaultError(f"{self.subject}: the weights before the fault are unknown")
        try:
            self._put_back(self._before)
        except SteeringAway:
            self._away = True
            raise

    def _put_back(self, before: Mapping[str, int]) -> None:
        stood = self._steering.stood(self._saved)
        if self._sets is None or not stood:
            self._steering.set_weights(before)
            return
        self._steering.set_parts(self._restoration(stood).weights)

    def _restoration(self, stood: Snapshot) -> Restoration:
        return restoration(stood, self._steering.shown(), self._sets or ())

    def read_back(self) -> ReadBack:
        stood = self._steering.stood(self._saved)
        if self._sets is not None and stood:
            return self._read_back_by_part(stood)
        actual = self._steering.weights()
        expected = self._before or {}
        return self._followed(_shown(expected), _shown(actual), actual == expected)

    def _read_back_by_part(self, stood: Snapshot) -> ReadBack:
        shown = self._steering.shown()
        left = restoration(stood, shown, self._sets or ())
        was, now = self._by_region(stood), self._by_region(shown)
        return self._followed(was, now, not left.weights, left.another)

    def _followed(self, was: str, now: str, back: bool, another: str = "") -> ReadBack:
        """Weights that stand and on which nobody acts are not back."""
        said = self._steering.not_acted_on()
        return ReadBack(
            self.subject, was, f"{now}, but {said}" if said else now, back and not said, another
        )

    def _by_region(self, shown: Snapshot) -> str:
        try:
            return _shown(self._steering.by_region(shown))
        except (
            SteeringError
        ):  # another party changed the proportions within a region: restore each part by itself
            return _shown(weights_of(shown))

    def command(self) -> str | None:
        return None if self._before is None else self._steering.command(self._saved, self._before)


def _shown(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))
