"""Weighted Route 53 records, read and changed through the ordinary API.

One step is one ChangeBatch: Route 53 applies a batch whole or not at all, so no moment exists in
which the weights belong to two steps. Source: Route 53 API, ChangeResourceRecordSets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster.aws import HostedZone
from muster.errors import MusterError
from muster.platform.steering.detection import Detection, detections
from muster.platform.steering.records import (
    Owners,
    Shown,
    Snapshot,
    Weights,
    name_of,
    record_key,
    snapshot_of,
    steers,
    weights_of,
)
from muster.targets.steering import Route53Steering

CHANGE_COMMENT = "muster drill"


class SteeringError(MusterError):
    """The steering API did not answer, or not as it must."""


def _no_check(shown: Snapshot) -> None:
    """Nothing is asked of what stands."""


def _not_told() -> None:
    """Nobody asks when the change was accepted."""


class Route53:
    """The weighted address records of one public name, by region as the target maps them."""

    def __init__(self, settings: Route53Steering) -> None:
        self.settings = settings
        self._zone = HostedZone(
            settings.zone,
            zone_id=settings.zone_id,
            endpoint_url=settings.endpoint_url,
            timeout_s=settings.timeout_s,
            calls_per_s_max=settings.calls_per_s_max,
            error=lambda code, text: SteeringError(text),
        )
        self._owners = Owners(settings.identifiers)
        self._base: dict[str, int] = {}

    def shown(self) -> dict[str, Shown]:
        """What stands now, record by record; empty when no record is left. Raises SteeringError."""
        return snapshot_of(self._listed())

    def weights(self) -> dict[str, int]:
        """Weight by region, as the API has it now. Raises SteeringError."""
        return self.by_region(snapshot_of(self._records()))

    def by_region(self, shown: Snapshot) -> dict[str, int]:
        """Weight by region of what was shown. Raises SteeringError."""
        try:
            return self._owners.by_region(weights_of(shown))
        except ValueError as error:
            raise SteeringError(f"{self.settings.record}: {error}") from error

    def records(self) -> tuple[str, list[dict[str, Any]]]:
        """The hosted zone's id and the weighted records, whole. Raises SteeringError."""
        records = self._records()
        return self._zone.id.removeprefix("/hostedzone/"), records

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The records' addresses by region (empty for alias records). Raises SteeringError."""
        found: dict[str, tuple[str, ...]] = {}
        for record in self._records():
            region = self._owners.region_of(record["SetIdentifier"])
            values = tuple(value["Value"] for value in record.get("ResourceRecords", []))
            found[region] = found.get(region, ()) + values
        return found

    def ttl_s(self) -> int:
        """The longest TTL among the records, in seconds (60 for alias records)."""
        return max(int(record.get("TTL", 60)) for record in self._records())

    def health_checks(self) -> dict[str, tuple[int, int]]:
        """(interval in seconds, failure threshold) by region whose loss DNS notices by itself.

        Raises BadInput where nobody can know it and the target doesn't say it either.
        """
        found = detections(self._records(), self._zone.call, self.settings.detection_s_max)
        slowest: dict[str, Detection] = {}
        for identifier, one in found.items():
            region = self._owners.region_of(identifier)
            if region not in slowest or one.seconds > slowest[region].seconds:
                slowest[region] = one
        return {region: (one.interval_s, one.threshold) for region, one in slowest.items()}

    def plan(self, weights: Mapping[str, int]) -> dict[str, int]:
        """Weight by record that gives each region its weight. Raises SteeringError.

        Several records of a region keep the proportions that they had when they were first read
        here with any weight.
        """
        return self._planned(self._records(), weights)

    def set_weights(
        self,
        weights: Mapping[str, int],
        *,
        check: Callable[[Snapshot], None] = _no_check,
        accepted: Callable[[], None] = _not_told,
    ) -> None:
        """Change all regions' weights in one batch and, where the target says so, wait for INSYNC.

        Everything else of the records stays as it is. `check` sees what stands right before the
        change, and raises to keep it from being made; `accepted` is called once the API took it.
        Raises SteeringError when a region has no record, the API refuses, or INSYNC does not come.
        """
        records = self._records()
        check(snapshot_of(records))
        self._change(records, self._planned(records, weights), accepted)

    def set_records(self, weights: Weights) -> None:
        """Change the weights of the named records in one batch, as `set_weights` does."""
        self._change(self._listed(), weights, _not_told)

    def _planned(
        self, records: Sequence[Mapping[str, Any]], weights: Mapping[str, int]
    ) -> dict[str, int]:
        shown = snapshot_of(records)
        regions = self.by_region(shown)
        if set(regions) != set(weights):
            raise SteeringError(
                f"{self.settings.record}: records for {sorted(regions)}, weights for "
                f"{sorted(weights)}"
            )
        return self._owners.spread(weights, {**weights_of(shown), **self._base})

    def _change(
        self,
        records: Sequence[Mapping[str, Any]],
        weights: Weights,
        accepted: Callable[[], None],
    ) -> None:
        changes = [
            {"Action": "UPSERT", "ResourceRecordSet": {**record, "Weight": int(weight)}}
            for record in records
            if int(record["Weight"])
            != int(weight := weights.get(record_key(record), record["Weight"]))
        ]
        if changes:
            change_id = self._zone.change(CHANGE_COMMENT, changes)
        accepted()
        if changes and self.settings.wait_insync:
            self._await_insync(change_id)

    def _await_insync(self, change_id: str, timeout_s: float = 120.0) -> None:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            status = self._zone.call("get_change", Id=change_id)["ChangeInfo"]["Status"]
            if status == "INSYNC":
                return
        raise SteeringError(f"{change_id}: not INSYNC after {timeout_s:g} s")

    def _records(self) -> list[dict[str, Any]]:
        found = self._listed()
        if not found:
            raise SteeringError(
                f"{self.settings.record}: no weighted A, AAAA or CNAME records in zone "
                f"{self._zone.shown_name}"
            )
        return found

    def _listed(self) -> list[dict[str, Any]]:
        name = self.settings.record
        start = {"StartRecordName": name, "StartRecordType": "A"}
        listed = self._zone.records(start, lambda other: name_of(other) == name_of(name))
        found = [record for record in listed if steers(record, name)]
        self._remember(found)
        return found

    def _remember(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Proportions among a region's records, from the first look at which they had weight."""
        shown = weights_of(snapshot_of(records))
        for region in {self._owners.region_of(key.partition(" ")[2]) for key in shown}:
            keys = [k for k in shown if self._owners.region_of(k.partition(" ")[2]) == region]
            if any(shown[key] for key in keys) and not any(key in self._base for key in keys):
                self._base |= {key: shown[key] for key in keys}
