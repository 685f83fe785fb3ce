"""`python -m muster.testbed.rig.route53_api -H HOST -p PORT`: moto, with exclusive changes.

moto checks a batch against its journal of earlier batches, so a change that names an outdated
record succeeds, and a lock kept in the zone would have two holders. Here a batch is checked against
the records as they are. Source: Route 53 API, ChangeResourceRecordSets: a batch is made whole or
not at all, CREATE fails if the record exists, and DELETE must name it exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from moto import server
from moto.route53.exceptions import (
    DnsNameInvalidForZone,
    InvalidActionValue,
    ResourceRecordAlreadyExists,
    Route53ClientError,
)
from moto.route53.models import RecordSet, Route53Backend

Key = tuple[str, str | None, str | None]
"""Name, type and SetIdentifier of a record."""
_ONE_AT_A_TIME = threading.Lock()


class NotAsNamed(Route53ClientError):
    """A record that is to be deleted does not exist as the change names it."""

    def __init__(self, name: str, kind: str) -> None:
        text = f"delete [name='{name}', type='{kind}']: not found with the values provided"
        super().__init__("InvalidChangeBatch", text)


def change_exclusively(
    backend: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]
) -> None:
    """Make the whole batch or, with an error of the API, nothing of it."""
    with _ONE_AT_A_TIME:
        zone = backend.get_hosted_zone(zoneid)
        zone.rrsets = after(zone.name, zone.rrsets, change_list)


def after(
    zone: str, standing: Iterable[RecordSet], changes: Iterable[Mapping[str, Any]]
) -> list[RecordSet]:
    """The records of `zone` after a batch of changes. Raises errors of the API."""
    kept = {_key(record): record for record in standing}
    for change in changes:
        action, record = change["Action"], _record(change["ResourceRecordSet"])
        key = _key(record)
        if not f".{record.name}".endswith(f".{zone.strip('.').lower()}."):
            raise DnsNameInvalidForZone(name=record.name, zone_name=zone)
        if action == "CREATE" and key in kept:
            raise ResourceRecordAlreadyExists(name=record.name, _type=str(record.type))
        if action == "DELETE":
            if key not in kept or vars(kept[key]) != vars(record):
                raise NotAsNamed(record.name, str(record.type))
            del kept[key]
        elif action in ("CREATE", "UPSERT"):
            kept[key] = record
        else:
            raise InvalidActionValue(action)
    return list(kept.values())


def _record(fields: Mapping[str, Any]) -> RecordSet:
    """A record as moto keeps it: an absolute name in lower case, and plain values."""
    name = str(fields["Name"]).lower().rstrip(".") + "."
    values = [value["Value"] for value in fields.get("ResourceRecords", ())]
    return RecordSet({**fields, "Name": name, "ResourceRecords": values})  # type: ignore[abstract]


def _key(record: RecordSet) -> Key:
    return record.name, record.type, record.set_identifier


if __name__ == "__main__":
    # Not a class of its own: moto finds a backend's URLs by the module of its class.
    Route53Backend.change_resource_record_sets = change_exclusively  # type: ignore[method-assign, assignment]
    server.main()
