"""Clients of AWS APIs: every call has a time limit and the SDK's own backoff on throttling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from muster import effects
from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import MusterError

ATTEMPTS_MAX = 4
"""Tries of one call, with the SDK's own backoff between them."""


@dataclass
class Pace:
    """Paces calls: Route 53 allows five a second for a whole account; a drill uses one.

    `at_once`: so many calls may follow each other without a pause after a rest.
    """

    calls_per_s_max: float
    clock: Clock = SYSTEM_CLOCK
    at_once: int = 1
    _next_s: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until the next call may be made."""
        with self._lock:
            now = self.clock.monotonic_s()
            each_s = 1.0 / self.calls_per_s_max
            delay = self._next_s - now
            self._next_s = max(now - (self.at_once - 1) * each_s, self._next_s) + each_s
        if delay > 0:
            self.clock.sleep(delay)


def client(
    service: str,
    *,
    endpoint_url: str | None,
    timeout_s: float,
    region_name: str = "us-east-1",
    **config: Any,
) -> Any:
    """A boto3 client of `service`; `endpoint_url` None: the real one. `config` as botocore's."""
    # boto3 takes a quarter of a second to import: only a drill that needs it should pay for that.
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    settings = Config(
        connect_timeout=timeout_s,
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
        **config,
    )
    inner = Session()
    inner.register_component("data_loader", _loader())
    session = boto3.session.Session(botocore_session=inner)
    arguments: dict[str, Any] = {"config": settings, "region_name": region_name}
    if endpoint_url:
        arguments["endpoint_url"] = endpoint_url
        if session.get_credentials() is None:
            # A stand-in API requires a signature but does not check it. These credentials never
            # reach the real API, because they apply only to a named endpoint.
            arguments |= {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return session.client(service, **arguments)  # type: ignore[call-overload]


@cache
def _loader() -> Any:
    """The SDK's loader of API descriptions, kept because it parses megabytes of JSON."""
    from botocore.loaders import create_loader

    return create_loader()


CHANGE_SENT = "request-created.route-53.ChangeResourceRecordSets"
"""The SDK's event before each try of a change of records."""
UNREACHED = "Unreached"
"""In place of an error code: no connection, or no answer in time. A change may have been made."""


class HostedZone:
    """One Route 53 zone by its name: looked up once, with paced calls.

    `error` makes the exception from a text and the API's error code: `UNREACHED` if no answer came,
    empty if it is not the API that says what is wrong.
    """

    def __init__(
        self,
        zone: str,
        *,
        zone_id: str | None = None,
        endpoint_url: str | None,
        timeout_s: float,
        calls_per_s_max: float,
        error: Callable[[str, str], MusterError],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.zone = zone
        self._error = error
        self._pace = Pace(calls_per_s_max, clock)
        self._endpoint_url = endpoint_url
        self._timeout_s = timeout_s
        self._given_id = zone_id
        self._id: str | None = None

    @cached_property
    def _client(self) -> Any:
        # Created at the first call: a plan names what it would change without reaching any API.
        made = client("route53", endpoint_url=self._endpoint_url, timeout_s=self._timeout_s)
        # Also before each of the SDK's own tries.
        made.meta.events.register(CHANGE_SENT, lambda **_: effects.ask())
        return made

    @property
    def shown_name(self) -> str:
        """The zone as the target names it, with its id if the target gives one."""
        return f"{self.zone} ({self._given_id})" if self._given_id else self.zone

    @property
    def id(self) -> str:
        """The zone's id as the API writes it, with its path."""
        if self._id is None:
            self._id = self._looked_up() if self._given_id is None else self._checked()
        return self._id

    def _looked_up(self) -> str:
        """The only zone of that name. Route 53 writes names in lower case, `*` as an escape."""
        answer = self.call("list_hosted_zones_by_name", DNSName=self.zone)
        zones = [one for one in answer["HostedZones"] if _same_name(one["Name"], self.zone)]
        if len(zones) > 1:
            kinds = ", ".join(_shown_zone(one) for one in zones)
            text = f"{self.zone}: {len(zones)} hosted zones of that name ({kinds}): name one"
            raise self._error("", f"{text} of them in zone_id")
        if not zones:
            raise self._error("", f"{self.zone}: 0 hosted zones of that name")
        return str(zones[0]["Id"])

    def _checked(self) -> str:
        """The zone of the given id, which must have the given name."""
        answer = self.call("get_hosted_zone", Id=self._given_id)["HostedZone"]
        if not _same_name(answer["Name"], self.zone):
            text = f"zone_id {self._given_id}: that zone is {answer['Name']}, not {self.zone}"
            raise self._error("", text)
        return str(answer["Id"])

    def change(self, comment: str, changes: list[dict[str, Any]]) -> str:
        """Make all changes or none; returns the change's id."""
        batch = {"Comment": comment, "Changes": changes}
        answer = self.call("change_resource_record_sets", HostedZoneId=self.id, ChangeBatch=batch)
        return str(answer["ChangeInfo"]["Id"])

    def listing(self, **arguments: str) -> dict[str, Any]:
        """One page of records."""
        page: dict[str, Any] = self.call(
            "list_resource_record_sets", HostedZoneId=self.id, **arguments
        )
        return page

    def records(
        self, start: Mapping[str, str], belongs: Callable[[str], bool]
    ) -> Iterator[dict[str, Any]]:
        """Records from `start` on, for as long as their names belong: they come in order."""
        arguments = dict(start)
        while True:
            page = self.listing(**arguments)
            for record in page["ResourceRecordSets"]:
                if not belongs(record["Name"]):
                    return
                yield record
            if not page.get("IsTruncated") or not belongs(page["NextRecordName"]):
                return
            keys = ("StartRecordName", "StartRecordType", "StartRecordIdentifier")
            following = {key: page[f"Next{key[5:]}"] for key in keys if page.get(f"Next{key[5:]}")}
            if following == arguments:
                name = arguments["StartRecordName"]
                raise self._error("", f"{name}: the listing of records stopped before its end")
            arguments = following

    def call(self, operation: str, **arguments: Any) -> Any:
        """The result of one call, paced."""
        from botocore import exceptions

        self._pace.wait()
        method: Callable[..., Any] = getattr(self._client, operation)
        try:
            answer = method(**arguments)
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise self._error(code, f"Route 53 {operation}: {error}") from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise self._error(UNREACHED, f"Route 53 {operation}: {error}") from error
        except exceptions.BotoCoreError as error:
            raise self._error("", f"Route 53 {operation}: {error}") from error
        missing = [name for name in self._wanted(operation) if name not in answer]
        if missing:
            # A proxy's welcome page is parsed without error into an answer without content.
            text = (
                f"Route 53 {operation}: the answer lacks {missing[0]}, so it is not from that API"
            )
            raise self._error("", text)
        return answer

    def _wanted(self, operation: str) -> list[str]:
        """What an answer must contain by the API's own model: its lists and its structures."""
        meta = self._client.meta
        name = meta.method_to_api_mapping[operation]
        shape = meta.service_model.operation_model(name).output_shape
        wanted = (name for name in shape.required_members)
        return [one for one in wanted if shape.members[one].type_name in ("list", "structure")]


def _same_name(one: str, other: str) -> bool:
    return one.lower().rstrip(".") == other.lower().rstrip(".")


def _shown_zone(zone: Mapping[str, Any]) -> str:
    kind = "private" if zone.get("Config", {}).get("PrivateZone") else "public"
    return f"{str(zone['Id']).removeprefix('/hostedzone/')} {kind}"
