"""Weighted Route 53 records, read and changed through the ordinary API.

One step is one ChangeBatch: Route 53 applies a batch whole or not at all, so no moment exists in
which the weights belong to two steps. Source: Route 53 API, ChangeResourceRecordSets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from muster.aws import HostedZone
from muster.errors import MusterError
from muster.targets.model import Route53Steering

CHANGE_COMMENT = "muster drill"


class SteeringError(MusterError):
    """The steering API did not answer, or not as it must."""


class Route53:
    """The weighted records of one public name; a record's SetIdentifier is its region."""

    def __init__(self, settings: Route53Steering) -> None:
        self.settings = settings
        self._zone = HostedZone(
            settings.zone,
            endpoint_url=settings.endpoint_url,
            timeout_s=settings.timeout_s,
            calls_per_s_max=settings.calls_per_s_max,
            error=lambda code, text: SteeringError(text),
        )

    def weights(self) -> dict[str, int]:
        """Weight (0 to 255) by region, as the API has it now. Raises SteeringError."""
        return _weights(self._records())

    def records(self) -> tuple[str, list[dict[str, Any]]]:
        """The hosted zone's id and the weighted records, whole. Raises SteeringError."""
        records = self._records()
        return self._zone.id.removeprefix("/hostedzone/"), records

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The records' addresses by region (empty for alias records). Raises SteeringError."""
        found: dict[str, tuple[str, ...]] = {}
        for record in self._records():
            values = tuple(value["Value"] for value in record.get("ResourceRecords", []))
            found[record["SetIdentifier"]] = found.get(record["SetIdentifier"], ()) + values
        return found

    def ttl_s(self) -> int:
        """The longest TTL among the records, in seconds (60 for alias records)."""
        return max(int(record.get("TTL", 60)) for record in self._records())

    def health_checks(self) -> dict[str, tuple[int, int]]:
        """(interval in seconds, failure threshold) by region that has a health check."""
        found: dict[str, tuple[int, int]] = {}
        for record in self._records():
            check_id = record.get("HealthCheckId")
            if check_id:
                answer = self._zone.call("get_health_check", HealthCheckId=check_id)
                config = answer["HealthCheck"]["HealthCheckConfig"]
                found[record["SetIdentifier"]] = (
                    int(config.get("RequestInterval", 30)),
                    int(config.get("FailureThreshold", 3)),
                )
        return found

    def set_weights(self, weights: Mapping[str, int]) -> None:
        """Change all weights in one batch and, where the target says so, wait for INSYNC.

        Regions and everything else of their records stay as they are. Raises SteeringError when
        a region has no record, the API refuses, or INSYNC does not come.
        """
        records = self._records()
        regions = {record["SetIdentifier"] for record in records}
        if regions != set(weights):
            raise SteeringError(
                f"{self.settings.record}: records for {sorted(regions)}, weights for "
                f"{sorted(weights)}"
            )
        changes = [
            {"Action": "UPSERT", "ResourceRecordSet": {**record, "Weight": int(weight)}}
            for record in records
            if int(record["Weight"]) != int(weight := weights[record["SetIdentifier"]])
        ]
        if not changes:
            return
        change_id = self._zone.change(CHANGE_COMMENT, changes)
        if self.settings.wait_insync:
            self._await_insync(change_id)

    def _await_insync(self, change_id: str, timeout_s: float = 120.0) -> None:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            status = self._zone.call("get_change", Id=change_id)["ChangeInfo"]["Status"]
            if status == "INSYNC":
                return
        raise SteeringError(f"{change_id}: not INSYNC after {timeout_s:g} s")

    def _records(self) -> list[dict[str, Any]]:
        name = self.settings.record
        start = {"StartRecordName": name, "StartRecordType": "A"}
        found = [
            record
            for record in self._zone.records(start, lambda other: other == name)
            if "Weight" in record
        ]
        if not found:
            raise SteeringError(f"{name}: no weighted records in zone {self.settings.zone}")
        return found


def _weights(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Weight by region. Raises SteeringError where a region's A and AAAA records disagree."""
    found: dict[str, int] = {}
    for record in records:
        region, weight = record["SetIdentifier"], int(record["Weight"])
        if found.setdefault(region, weight) != weight:
            raise SteeringError(f"{record['Name']}: records of {region} have different weights")
    return found
