"""Traffic moved away from a region: the weights of its public name's records.

The undo entry holds the records of before and the weights that the drill set last, or was about to
set (`sets`, by record). A record that shows any other weight was changed by somebody else since:
it is left as it is, and a person is told. An entry without `sets` puts everything back: only
who writes each step to the undo log before it is made gives them (none yet: an empty list).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from muster.faults.model import Fault, FaultError, ReadBack
from muster.platform.by_hand import line
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof, Touch
from muster.platform.steering import Route53, SteeringError, restoration, shares_of, weights_for
from muster.platform.steering.expected import Restoration
from muster.platform.steering.records import Snapshot, snapshot_of, weights_of

SETS_KEPT = 2
"""The weights set last, and those before: a drill may die between writing and setting them."""


class TrafficShift(Fault):
    """The region's traffic share is `share_pct`; the rest keeps its proportions."""

    kind = "traffic_shift"

    def __init__(
        self,
        platform: Platform,
        region: str,
        share_pct: float = 0.0,
        before: Mapping[str, int] | None = None,
        steering: Route53 | None = None,
        zone_id: str | None = None,
        records: Sequence[Mapping[str, Any]] = (),
        sets: Sequence[Mapping[str, int]] | None = None,
    ) -> None:
        super().__init__(platform, region)
        self.share_pct = share_pct
        self._zone_id = zone_id
        self._records = tuple(records)
        self._sets = None if sets is None else [dict(one) for one in sets]
        self._before = dict(before) if before is not None else None
        self._steering = steering or platform.steering

    @property
    def subject(self) -> str:
        return f"route53 {self.target.steering.record}"

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
        if not self._records:
            # Whole records, for the line by hand: it is needed when the API does not answer.
            self._zone_id, records = self._steering.records()
            self._records = tuple(records)
        params = {
            "weights": self._before,
            "zone_id": self._zone_id,
            "records": [dict(record) for record in self._records],
        }
        return params if self._sets is None else {**params, "sets": self._sets}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(
            platform,
            region,
            before=params["weights"],
            zone_id=params.get("zone_id"),
            records=params.get("records", ()),
            sets=params.get("sets"),
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
        if self._sets is None or not self._records:
            self._steering.set_weights(self._before)
            return
        self._steering.set_records(self._restoration().weights)

    def _restoration(self) -> Restoration:
        before = snapshot_of(self._records)
        return restoration(before, self._steering.shown(), self._sets or ())

    def read_back(self) -> ReadBack:
        if self._sets is not None and self._records:
            return self._read_back_by_record()
        actual = self._steering.weights()
        expected = self._before or {}
        return ReadBack(self.subject, _shown(expected), _shown(actual), actual == expected)

    def _read_back_by_record(self) -> ReadBack:
        before, shown = snapshot_of(self._records), self._steering.shown()
        left = restoration(before, shown, self._sets or ())
        was, now = self._by_region(before), self._by_region(shown)
        return ReadBack(self.subject, was, now, not left.weights, left.another)

    def _by_region(self, shown: Snapshot) -> str:
        try:
            return _shown(self._steering.by_region(shown))
        except SteeringError:  # another took a region's records apart: each by itself then
            return _shown(weights_of(shown))

    def command(self) -> str | None:
        before, steering = self._before, self.target.steering
        if before is None or self._zone_id is None or not self._records:
            return None
        changes = [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {**record, "Weight": _weight_before(record, before)},
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


def _weight_before(record: Mapping[str, Any], before: Mapping[str, int]) -> int:
    """A record's own weight of before; that of its region where it is the region's only one."""
    return int(before.get(record["SetIdentifier"], record["Weight"]))


def _shown(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))
