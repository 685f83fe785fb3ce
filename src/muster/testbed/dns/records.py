"""Records and health checks from the Route 53 API, read by polling.

While the API does not answer, the last records stay in force, and a metric shows their age.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from muster.testbed.dns.decide import AddressRecord
from muster.testbed.rig import route53

# Searched with a pattern and not split: moto 5.2 wraps the value of its SOA into the text of a
# Python mapping.
_SOA = re.compile(r"([\w.-]+) ([\w.-]+) (\d+) (\d+) (\d+) (\d+) (\d+)")
_SOA_NUMBERS = ("1", "7200", "900", "1209600", "86400")


@dataclass(frozen=True)
class HealthCheck:
    """One HTTP health check, as its record's owner configured it."""

    id: str
    address: str
    port: int
    path: str
    interval_s: float
    threshold: int


@dataclass(frozen=True)
class Zone:
    """A hosted zone at one moment. `names` holds every name that has records of any type."""

    name: str
    records: tuple[AddressRecord, ...] = ()
    checks: tuple[HealthCheck, ...] = ()
    soa: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    soa_ttl_s: int = 900
    names: frozenset[str] = field(default_factory=frozenset)
    negative_ttl_s: int | None = None
    """How long a name without a record may be cached; None: as the name server usually says."""

    def at(self, name: str) -> tuple[AddressRecord, ...]:
        """The A records of `name` (lower case, with its last dot)."""
        return tuple(record for record in self.records if record.name == name)


class Route53Reader:
    """Reads one zone. Blocking: call it outside the event loop. Raises botocore's errors."""

    def __init__(self, url: str, zone: str) -> None:
        self._api = route53.client(url)
        self._zone = zone
        self._zone_id: str | None = None
        self._checks: dict[str, HealthCheck] = {}

    def read(self) -> Zone:
        """The current zone."""
        if self._zone_id is None:
            found = self._api.list_hosted_zones_by_name(DNSName=self._zone)["HostedZones"]
            self._zone_id = next(zone["Id"] for zone in found if zone["Name"] == self._zone)
        pages = self._api.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=self._zone_id
        )
        return self._zone_of([entry for page in pages for entry in page["ResourceRecordSets"]])

    def _zone_of(self, sets: list[dict[str, Any]]) -> Zone:
        records = [_address_record(entry) for entry in sets if entry["Type"] == "A"]
        return Zone(
            name=self._zone.lower(),
            records=tuple(records),
            checks=tuple(
                self._check(record.health_check_id) for record in records if record.health_check_id
            ),
            soa=_soa(self._zone, _values(sets, "SOA")),
            nameservers=tuple(_values(sets, "NS")),
            names=frozenset(entry["Name"].lower() for entry in sets),
        )

    def _check(self, check_id: str) -> HealthCheck:
        """A health check; its settings are read once, because the testbed never changes them."""
        if check_id not in self._checks:
            config = self._api.get_health_check(HealthCheckId=check_id)["HealthCheck"][
                "HealthCheckConfig"
            ]
            self._checks[check_id] = HealthCheck(
                id=check_id,
                address=config["IPAddress"],
                port=int(config["Port"]),
                path=config.get("ResourcePath", "/"),
                interval_s=float(config.get("RequestInterval", 30)),
                threshold=int(config.get("FailureThreshold", 3)),
            )
        return self._checks[check_id]


def _address_record(entry: dict[str, Any]) -> AddressRecord:
    return AddressRecord(
        name=entry["Name"].lower(),
        region=entry.get("SetIdentifier", ""),
        addresses=tuple(value["Value"] for value in entry.get("ResourceRecords", [])),
        weight=int(entry.get("Weight", 1)),
        ttl_s=int(entry.get("TTL", 60)),
        health_check_id=entry.get("HealthCheckId") or None,
    )


def _soa(zone: str, values: list[str]) -> tuple[str, ...]:
    """The seven fields of the zone's SOA; Route 53's own defaults if the API garbles them."""
    found = _SOA.search(values[0]) if values else None
    return found.groups() if found else (f"ns.{zone}", f"hostmaster.{zone}", *_SOA_NUMBERS)


def _values(sets: list[dict[str, Any]], kind: str) -> list[str]:
    return [
        str(value["Value"])
        for entry in sets
        if entry["Type"] == kind
        for value in entry.get("ResourceRecords", [])
    ]
