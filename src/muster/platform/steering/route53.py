"""Weighted Route 53 records, read and changed through the ordinary API.

One step is one ChangeBatch: Route 53 applies a batch whole or not at all, so at no moment do the
weights belong to two steps. Source: Route 53 API, ChangeResourceRecordSets.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from muster.aws import UNREACHED, HostedZone
from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import Other, Touch
from muster.platform.steering.detection import Detection, detections
from muster.platform.steering.external_dns import others_of
from muster.platform.steering.model import (
    Check,
    RegionWeights,
    Saved,
    Steering,
    SteeringAway,
    SteeringError,
    Trial,
    no_check,
    not_told,
)
from muster.platform.steering.parts import Shown, Snapshot, Weights, weights_of
from muster.platform.steering.records import Owners, name_of, record_key, snapshot_of, steers
from muster.stores import Store, Stored, StoreError, store_of
from muster.targets.shared import SharedTxt
from muster.targets.steering import Route53Steering

CHANGE_COMMENT = "muster drill"
AWAY = frozenset(
    {UNREACHED, "ServiceUnavailable", "InternalFailure", "InternalError", "Throttling", "503"}
)
"""Codes by which the API is not there or cannot serve at present, after the SDK's own tries."""

OTHERS_RECORDS_MAX = 3000
"""Ten pages of a listing: what a doctor reads of a domain, a call a second."""
OWN_LABEL = "_muster-drill"
"""The label of Muster's own records, below the public name."""
TRIAL_KEY = "safety"


class Route53(Steering):
    """The weighted address records of one public name, by region as the target maps them."""

    def __init__(
        self,
        settings: Route53Steering,
        regions: Sequence[str] = (),
        stand_in: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._stand_in = stand_in
        self._owners = Owners(settings.identifiers)
        self._base: dict[str, int] = {}

    @cached_property
    def _zone(self) -> HostedZone:
        # Imported late: boto3 is slow to import, and a plan only names what it would change.
        settings = self.settings
        return HostedZone(
            settings.zone,
            zone_id=settings.zone_id,
            endpoint_url=settings.endpoint_url,
            timeout_s=settings.timeout_s,
            calls_per_s_max=settings.calls_per_s_max,
            error=_error,
            clock=self._clock,
        )

    @property
    def subject(self) -> str:
        return f"route53 {self.settings.record}"

    @property
    def name(self) -> str:
        return self.settings.record

    @property
    def timeout_s(self) -> float:
        return self.settings.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return Touch("zones", self.settings.zone), Touch("records", self.settings.record)

    def shown(self) -> dict[str, Shown]:
        return snapshot_of(self._listed())

    def weights(self) -> dict[str, int]:
        return self.by_region(snapshot_of(self._records()))

    def by_region(self, shown: Snapshot) -> dict[str, int]:
        try:
            return self._owners.by_region(weights_of(shown))
        except ValueError as error:
            raise SteeringError(f"{self.settings.record}: {error}") from error

    def others(self) -> tuple[Other, ...]:
        name = name_of(self.settings.record)
        domain = name.partition(".")[2]
        listed = self._zone.records(
            {"StartRecordName": domain}, lambda other: f".{name_of(other)}".endswith(f".{domain}")
        )
        first = list(islice(listed, OTHERS_RECORDS_MAX + 1))
        found = others_of(first, name)
        if len(first) > OTHERS_RECORDS_MAX and not found:
            said = (
                f"{domain} has over {OTHERS_RECORDS_MAX:,} records: whether external-dns owns "
                f"{name} was not read to the end"
            )
            return (Other(said, undoes=None),)
        return found

    def records(self) -> tuple[str, list[dict[str, Any]]]:
        """The hosted zone's id and the complete weighted records. Raises SteeringError."""
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

        Raises BadInput if it can not be determined and the target does not state it.
        """
        found = detections(self._records(), self._zone.call, self.settings.detection_s_max)
        slowest: dict[str, Detection] = {}
        for identifier, one in found.items():
            region = self._owners.region_of(identifier)
            if region not in slowest or one.seconds > slowest[region].seconds:
                slowest[region] = one
        return {region: (one.interval_s, one.threshold) for region, one in slowest.items()}

    def plan(self, weights: Mapping[str, int]) -> dict[str, int]:
        # Several records of a region keep the proportions of the first observation with any weight.
        return self._planned(self._records(), weights)

    def set_weights(
        self,
        weights: Mapping[str, int],
        *,
        check: Check = no_check,
        accepted: Callable[[], None] = not_told,
    ) -> None:
        """One batch for all regions and, if the target says so, a wait for INSYNC.

        Raises SteeringError if a region has no record, the API refuses, or INSYNC does not come.
        """
        records = self._records()
        check(snapshot_of(records))
        self._change(records, self._planned(records, weights), accepted)

    def set_parts(self, weights: Weights) -> None:
        self._change(self._listed(), weights, not_told)

    def saved(self) -> dict[str, Any]:
        # Complete records, for the line to run by hand, which is needed if the API does not answer.
        zone_id, records = self.records()
        return {"zone_id": zone_id, "records": [dict(record) for record in records]}

    def stood(self, saved: Saved) -> dict[str, Shown]:
        return snapshot_of(saved.get("records") or ())

    def check_same(self, saved: Saved) -> None:
        zone_id = saved.get("zone_id")
        if zone_id is not None and zone_id != (now := self._zone.id.removeprefix("/hostedzone/")):
            raise SteeringError(
                f"{self.settings.record}: the drill has changed it in hosted zone {zone_id}, and "
                f"the target leads to {now} now: set it as it was, and recover"
            )

    def command(self, saved: Saved, before: RegionWeights) -> str | None:
        zone_id, records = saved.get("zone_id"), saved.get("records")
        if zone_id is None or not records:
            return None
        changes = [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {**record, "Weight": _weight_before(record, before)},
            }
            for record in records
        ]
        words = ["aws", "route53", "change-resource-record-sets"]
        words += ["--hosted-zone-id", zone_id, "--change-batch", json.dumps({"Changes": changes})]
        endpoint_url = self.settings.endpoint_url
        if endpoint_url is None:
            return shlex.join(words)
        words += ["--region", "us-east-1", "--endpoint-url", endpoint_url]
        if self._stand_in:
            # A stand-in API requires a signature but does not check it.
            words = ["env", "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing", *words]
        return shlex.join(words)

    def trial(self) -> Trial:
        return TxtTrial(self.settings)

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
        end = self._clock.monotonic_s() + timeout_s
        while self._clock.monotonic_s() < end:
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
        """Proportions among a region's records, from the first observation in which they had
        weight.
        """
        shown = weights_of(snapshot_of(records))
        for region in {self._owners.region_of(key.partition(" ")[2]) for key in shown}:
            keys = [k for k in shown if self._owners.region_of(k.partition(" ")[2]) == region]
            if any(shown[key] for key in keys) and not any(key in self._base for key in keys):
                self._base |= {key: shown[key] for key in keys}


def _error(code: str, text: str) -> SteeringError:
    return SteeringAway(text) if code in AWAY else SteeringError(text)


def _weight_before(record: Mapping[str, Any], before: RegionWeights) -> int:
    """A record's own old weight, or that of its region if it is the region's only record."""
    return int(before.get(record["SetIdentifier"], record["Weight"]))


class TxtTrial(Trial):
    """Muster's own TXT record beside the public name, which no client resolves."""

    def __init__(self, settings: Route53Steering, regions: Sequence[str] = ()) -> None:
        self._settings = settings
        self._name = f"{OWN_LABEL}.{settings.record}"
        self.subject = f"txt {TRIAL_KEY}.{self._name}"
        # The record stands below a name that the blast radius allows.
        self.touches = (
            Touch("zones", settings.zone),
            Touch("records", self._name, below=settings.record),
        )

    @cached_property
    def _store(self) -> Store:
        settings = self._settings
        return store_of(
            SharedTxt(
                kind="route53_txt",
                zone=settings.zone,
                zone_id=settings.zone_id,
                name=self._name,
                endpoint_url=settings.endpoint_url,
                calls_per_s_max=settings.calls_per_s_max,
                timeout_s=settings.timeout_s,
            )
        )

    def read(self) -> str | None:
        stored = self._stored()
        return None if stored is None else stored.text

    def write(self, text: str | None) -> None:
        now = self._stored()
        try:
            if text is not None:
                if now is None or now.text != text:
                    self._store.write(TRIAL_KEY, text, now)
            elif now is not None:
                self._store.remove(now)
        except StoreError as error:
            raise SteeringError(f"{self.subject}: {error}") from error

    def _stored(self) -> Stored | None:
        try:
            return self._store.read(TRIAL_KEY)
        except StoreError as error:
            raise SteeringError(f"{self.subject}: {error}") from error
