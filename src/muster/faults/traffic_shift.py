"""Traffic moved away from a region: the weights of its public name's records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.model import Fault, FaultError, Proof, ReadBack
from muster.steering import Route53, shares_of, weights_for
from muster.targets.model import Target


class TrafficShift(Fault):
    """The region's traffic share is `share_pct`; the rest keeps its proportions."""

    kind = "traffic_shift"

    def __init__(
        self,
        target: Target,
        region: str,
        share_pct: float = 0.0,
        before: Mapping[str, int] | None = None,
        steering: Route53 | None = None,
    ) -> None:
        super().__init__(target, region)
        self.share_pct = share_pct
        self._before = dict(before) if before is not None else None
        self._steering = steering or Route53(target.steering)

    @property
    def subject(self) -> str:
        return f"route53 {self.target.steering.record}"

    def undo_params(self) -> dict[str, Any]:
        if self._before is None:
            self._before = self._steering.weights()
        return {"weights": self._before}

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        return cls(target, region, before=params["weights"])

    def weights(self) -> dict[str, int]:
        """The weights that `apply` sets."""
        before = self._before if self._before is not None else self._steering.weights()
        return weights_for(before, self.region, self.share_pct)

    def apply(self) -> None:
        self._steering.set_weights(self.weights())

    def observe(self) -> Proof:
        shown = self._steering.weights()
        share = shares_of(shown).get(self.region)
        if share is None:
            return Proof(False, f"no record gives {self.region} any weight")
        return Proof(
            shown == self.weights(),
            f"the records give {self.region} {share:.0f} %",
            {"share_pct": share},
        )

    def revert(self) -> None:
        if self._before is None:
            raise FaultError(f"{self.subject}: the weights before the fault are unknown")
        self._steering.set_weights(self._before)

    def read_back(self) -> ReadBack:
        actual = self._steering.weights()
        expected = self._before or {}
        return ReadBack(self.subject, _shown(expected), _shown(actual), actual == expected)

    def command(self) -> str:
        weights = " ".join(f"{region}={weight}" for region, weight in (self._before or {}).items())
        return (
            f"aws route53 change-resource-record-sets: UPSERT {self.target.steering.record} "
            f"in {self.target.steering.zone} with the weights {weights}"
        )


def _shown(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))
