"""Weighted Route 53 records, read and changed through the ordinary API.

One step is one ChangeBatch: Route 53 applies a batch whole or not at all, so no moment exists in
which the weights belong to two steps. Source: Route 53 API, ChangeResourceRecordSets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster.aws import Pace, client
from muster.errors import MusterError
from muster.targets.model import Route53Steering

CHANGE_COMMENT = "muster drill"


class SteeringError(MusterError):
    """The steering API did not answer, or not as it must."""


class Route53:
    """The weighted records of one public name; a record's SetIdentifier is its region."""

    def __init__(self, settings: Route53Steering) -> None:
        self.settings = settings
        self._pace = Pace(settings.calls_per_s_max)
        self._client: Any = client(
            "route53", endpoint_url=settings.endpoint_url, timeout_s=settings.timeout_s
        )
        self._zone_id: str | None = None

    def weights(self) -> dict[str, int]:
        """Weight (0 to 255) by region, as the API has it now. Raises SteeringError."""
        return _weights(self._records())

    def records(self) -> tuple[str, list[dict[str, Any]]]:
        """The hosted zone's id and the weighted records, whole. Raises SteeringError."""
        records = self._records()
        return self._zone().removeprefix("/hostedzone/"), records

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
                answer = self._call("get_health_check", HealthCheckId=check_id)
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
        answer = self._call(
            "change_resource_record_sets",
            HostedZoneId=self._zone(),
            ChangeBatch={"Comment": CHANGE_COMMENT, "Changes": changes},
        )
        if self.settings.wait_insync:
            self._await_insync(answer["ChangeInfo"]["Id"])

    def _await_insync(self, change_id: str, timeout_s: float = 120.0) -> None:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            status = self._call("get_change", Id=change_id)["ChangeInfo"]["Status"]
            if status == "INSYNC":
                return
        raise SteeringError(f"{change_id}: not INSYNC after {timeout_s:g} s")

    def _records(self) -> list[dict[str, Any]]:
        name = self.settings.record
        arguments: dict[str, Any] = {"StartRecordName": name, "StartRecordType": "A"}
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("list_resource_record_sets", HostedZoneId=self._zone(), **arguments)
            for record in page["ResourceRecordSets"]:
                if record["Name"] == name and "Weight" in record:
                    found.append(record)
            # Records come in the order of names: past the name there is no more of it.
            if not page.get("IsTruncated") or page.get("NextRecordName") != name:
                break
            following = {
                "StartRecordName": page["NextRecordName"],
                "StartRecordType": page["NextRecordType"],
            }
            if page.get("NextRecordIdentifier"):
                following["StartRecordIdentifier"] = page["NextRecordIdentifier"]
            if following == arguments:
                raise SteeringError(f"{name}: the listing of records does not go on")
            arguments = following
        if not found:
            raise SteeringError(f"{name}: no weighted records in zone {self.settings.zone}")
        return found

    def _zone(self) -> str:
        if self._zone_id is None:
            answer = self._call("list_hosted_zones_by_name", DNSName=self.settings.zone)
            zones = [zone for zone in answer["HostedZones"] if zone["Name"] == self.settings.zone]
            if len(zones) != 1:
                raise SteeringError(f"{self.settings.zone}: {len(zones)} hosted zones of that name")
            self._zone_id = str(zones[0]["Id"])
        return self._zone_id

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        self._pace.wait()
        method: Callable[..., Any] = getattr(self._client, operation)
        try:
            return method(**arguments)
        except (BotoCoreError, ClientError) as error:
            raise SteeringError(f"Route 53 {operation}: {error}") from error


def _weights(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Weight by region. Raises SteeringError where a region's A and AAAA records disagree."""
    found: dict[str, int] = {}
    for record in records:
        region, weight = record["SetIdentifier"], int(record["Weight"])
        if found.setdefault(region, weight) != weight:
            raise SteeringError(f"{record['Name']}: records of {region} have different weights")
    return found
