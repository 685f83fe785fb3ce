"""`python -m muster.testbed.rig.route53_api -H HOST -p PORT`: moto, with exclusive changes.

moto checks a batch against its journal of earlier batches, so a change that names an outdated
record succeeds, and a lock kept in the zone would have two holders. Here a batch is checked against
the records as they are. Source: Route 53 API, ChangeResourceRecordSets: a batch is made whole or
not at all, CREATE fails if the record exists, and DELETE must name it exactly.

POST /muster/trouble `{"seconds": 20}` has it answer 503 to every call for so long; GET shows how
much of that is left.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
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


TROUBLE = "/muster/trouble"
LEFT_S_MAX = 1e6
"""What is shown of a time without end."""
AWAY = (
    b'<?xml version="1.0"?><ErrorResponse><Error><Type>Receiver</Type>'
    b"<Code>ServiceUnavailable</Code><Message>told to be away</Message></Error></ErrorResponse>"
)


class Troubled:
    """The API `app`, which can be told to be away. `stays` (a planted defect): and does not come
    back, whatever it is told.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], *, stays: bool = False) -> None:
        self._app = app
        self._stays = stays
        self._until_s = 0.0

    def __call__(self, environ: Mapping[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        """One request, as WSGI hands it over."""
        path = str(environ.get("PATH_INFO", ""))
        if path == TROUBLE:
            if environ["REQUEST_METHOD"] == "POST":
                length = int(environ.get("CONTENT_LENGTH") or 0)
                self._tell(json.loads(environ["wsgi.input"].read(length))["seconds"])
            body = json.dumps({"seconds_left": round(min(self._left_s, LEFT_S_MAX), 3)}).encode()
            start("200 OK", [("Content-Type", "application/json")])
            return [body]
        if path.startswith("/20") and self._left_s > 0:  # every path of the API begins with a date
            start("503 Service Unavailable", [("Content-Type", "text/xml")])
            return [AWAY]
        return self._app(environ, start)

    @property
    def _left_s(self) -> float:
        return max(0.0, self._until_s - time.monotonic())

    def _tell(self, seconds: float) -> None:
        if not self._stays:
            self._until_s = time.monotonic() + seconds
        elif seconds:
            self._until_s = float("inf")


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
    parser = argparse.ArgumentParser()
    parser.add_argument("--defect")
    own, rest = parser.parse_known_args()
    # moto's server makes its application by this name; Muster's own stands before it.
    served = vars(server)
    dispatcher = served["DomainDispatcherApplication"]
    served["DomainDispatcherApplication"] = lambda create: Troubled(
        dispatcher(create), stays=own.defect is not None
    )
    server.main(rest)
