"""Traffic moved away from a region: the weights of its public name's records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from muster.faults.by_hand import line
from muster.faults.model import Change, Fault, FaultError, Proof, ReadBack, Touch
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
        steering: Route53 | Callable[[], Route53] | None = None,
        zone_id: str | None = None,
        records: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(target, region)
        self.share_pct = share_pct
        self._zone_id = zone_id
        self._records = tuple(records)
        self._before = dict(before) if before is not None else None
        self._given = steering

    @property
    def subject(self) -> str:
        return f"route53 {self.target.steering.record}"

    @property
    def _steering(self) -> Route53:
        if not isinstance(self._given, Route53):
            # Asked for late: a plan names what it would touch without reaching any API.
            self._given = self._given() if self._given else Route53(self.target.steering)
        return self._given

    @property
    def retry_s(self) -> float:
        return self.target.steering.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        steering = self.target.steering
        names = Touch("zones", steering.zone), Touch("records", steering.record)
        return (*super().touches(), *names)

    def change(self) -> Change:
        if self._before is None:
            self._before = self._steering.weights()
        return Change(_shown(self._before), _shown(self.weights()))

    def undo_params(self) -> dict[str, Any]:
        if self._before is None:
            self._before = self._steering.weights()
        # Whole records, for the line by hand: it is needed when the API does not answer.
        self._zone_id, records = self._steering.records()
        self._records = tuple(records)
        return {
            "weights": self._before,
            "zone_id": self._zone_id,
            "records": [dict(record) for record in self._records],
        }

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        return cls(
            target,
            region,
            before=params["weights"],
            zone_id=params.get("zone_id"),
            records=params.get("records", ()),
        )

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

    def command(self) -> str | None:
        before, steering = self._before, self.target.steering
        if before is None or self._zone_id is None or not self._records:
            return None
        changes = [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {**record, "Weight": before[record["SetIdentifier"]]},
            }
            for record in self._records
        ]
        words = ["aws", "route53", "change-resource-record-sets"]
        words += ["--hosted-zone-id", self._zone_id, "--change-batch"]
        words.append(json.dumps({"Changes": changes}))
        if steering.endpoint_url is None:
            return line(*words)
        words += ["--region", "us-east-1", "--endpoint-url", steering.endpoint_url]
        if self.target.class_ == "testbed":
            # A stand-in API asks for a signature but not for whose.
            words = ["env", "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing", *words]
        return line(*words)


def _shown(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))
