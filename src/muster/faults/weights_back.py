"""How the weights that a drill moved are put back, by what its undo entry holds.

The entry holds the weights before the drill, what the steering adapter saved, and the weights that
the drill set last or was about to set (`sets`, by part). If a part shows any other weight, another
party changed it since: it is left as it is, and the message says so. An entry without `sets`
restores everything: `sets` exists only if each step is written to the undo log before it is made
(none yet: an empty list).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from muster.faults.by_port import PortFault
from muster.faults.model import FaultError, ReadBack
from muster.faults.steering_away import AWAY_S_MAX
from muster.platform import Platform
from muster.platform.steering import Steering, SteeringAway, SteeringError, restoration
from muster.platform.steering.expected import Restoration
from muster.platform.steering.parts import Snapshot, weights_of


class WeightsMoved(PortFault):
    """The part of a shift that its undo entry describes. `before`: weights by region."""

    by_subject = True

    def __init__(
        self,
        platform: Platform,
        region: str,
        before: Mapping[str, int] | None = None,
        saved: Mapping[str, Any] | None = None,
        sets: Sequence[Mapping[str, int]] | None = None,
    ) -> None:
        super().__init__(platform, region)
        self._saved = dict(saved) if saved else {}
        self._sets = None if sets is None else [dict(one) for one in sets]
        self._before = dict(before) if before is not None else None
        self._steering = platform.steering
        self._away = False

    @property
    def port(self) -> Steering:
        return self._steering

    @property
    def section(self) -> str:
        return "steering"

    @property
    def settings(self) -> object:
        return self.target.steering

    @property
    def retry_s(self) -> float:
        return AWAY_S_MAX if self._away else super().retry_s

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

    def revert(self) -> None:
        if self._before is None:
            raise FaultError(f"{self.subject}: the weights before the fault are unknown")
        try:
            self._steering.check_same(self._saved)
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
        self._steering.check_same(self._saved)
        stood = self._steering.stood(self._saved)
        if self._sets is not None and stood:
            return self._read_back_by_part(stood)
        actual = self._steering.weights()
        expected = self._before or {}
        return self._followed(said(expected), said(actual), actual == expected)

    def _read_back_by_part(self, stood: Snapshot) -> ReadBack:
        shown = self._steering.shown()
        left = restoration(stood, shown, self._sets or ())
        was, now = self._by_region(stood), self._by_region(shown)
        return self._followed(was, now, not left.weights, left.another)

    def _followed(self, was: str, now: str, back: bool, another: str = "") -> ReadBack:
        """Weights that stand and on which nobody acts are not back."""
        idle = self._steering.not_acted_on()
        return ReadBack(
            self.subject, was, f"{now}, but {idle}" if idle else now, back and not idle, another
        )

    def _by_region(self, shown: Snapshot) -> str:
        try:
            return said(self._steering.by_region(shown))
        except SteeringError:
            # Another party changed the proportions within a region: each part is put back by itself
            return said(weights_of(shown))

    def command(self) -> str | None:
        return None if self._before is None else self._steering.command(self._saved, self._before)


def said(weights: Mapping[str, int]) -> str:
    """Weights in words, sorted by name."""
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))
