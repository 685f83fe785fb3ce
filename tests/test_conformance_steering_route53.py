"""The steering adapter `route53` against the suite: moto's API, behind a door that can fail."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import httpx
import pytest
from conformance.steering import BEFORE, CHECKS, EAST, WEST, World
from conformance.world import Trouble
from floor_fixtures import moto_server

from muster import aws
from muster.platform.steering.route53 import Route53
from muster.targets.steering import Route53Steering

NUMBERS = itertools.count()
TIMEOUT_S = 4.0


class Door(ThreadingHTTPServer):
    """Passes calls on to the real server, but for those that are to fail."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.fails: str | None = None
        self.changes = 0
        self.opened = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One call: passed on, refused, or never answered."""

    server: Door

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        door, change = self.server, self.command == "POST"
        door.changes += change
        late = door.fails or ""
        if change and late == "late before":
            door.opened.wait(30)
            return
        if change and late == "refuses":
            return self._say(
                403, b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
            )
        if not change and late == "nonsense":
            return self._say(200, b"<html>welcome</html>")
        passed = httpx.request(
            self.command, door.behind + self.path, content=body, headers=dict(self.headers)
        )
        if change and late == "late after":
            door.opened.wait(30)
            return
        self._say(passed.status_code, passed.content)

    do_GET = do_POST = _any

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """One API and one door for the module."""
    with moto_server() as url, Door(url) as door:
        thread = threading.Thread(target=door.serve_forever, args=(0.05,))
        thread.start()
        yield door
        door.opened.set()
        door.shutdown()
        thread.join()


class Zone(World):
    """A zone of its own with two weighted records."""

    halves = False

    def __init__(self, door: Door) -> None:
        self.door = door
        self.name = f"z{next(NUMBERS)}.test."
        self.api = boto3.client(
            "route53", endpoint_url=door.behind, region_name="us-east-1",
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip
        zone = self.api.create_hosted_zone(Name=self.name, CallerReference=self.name)
        self.zone_id = zone["HostedZone"]["Id"]
        for region, weight in BEFORE.items():
            self.put(region, weight)
        door.changes = 0

    def adapter(self) -> Route53:
        return Route53(
            Route53Steering(
                kind="route53",
                endpoint_url=self.door.url,
                zone=self.name,
                record=f"chat.{self.name}",
                wait_insync=False,
                calls_per_s_max=1000,
                timeout_s=TIMEOUT_S,
            ),
            (EAST, WEST),
        )

    def _records(self) -> dict[str, dict]:
        listed = self.api.list_resource_record_sets(HostedZoneId=self.zone_id)
        found = (one for one in listed["ResourceRecordSets"] if "SetIdentifier" in one)
        return {one["SetIdentifier"]: one for one in found}

    def _change(self, action: str, record: dict) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.api.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)

    @property
    def changes(self) -> int:
        return self.door.changes

    def weights(self) -> dict[str, int]:
        return {region: record["Weight"] for region, record in self._records().items()}

    def put(self, region: str, weight: int) -> None:
        record = {
            "Name": f"chat.{self.name}",
            "Type": "A",
            "SetIdentifier": region,
            "Weight": weight,
            "TTL": 5,
            "ResourceRecords": [{"Value": "192.0.2.1"}],
        }
        self._change("UPSERT", record)

    def put_rest(self, region: str) -> None:
        self._change("UPSERT", {**self._records()[region], "TTL": 77})

    def remove(self, region: str) -> None:
        self._change("DELETE", self._records()[region])

    def trouble(self, kind: Trouble | None) -> None:
        self.door.fails = kind
        if kind is None:
            self.door.opened.set()
        else:
            self.door.opened.clear()


@pytest.fixture
def world(door, monkeypatch):
    monkeypatch.setattr(aws, "ATTEMPTS_MAX", 1)
    world = Zone(door)
    yield world
    world.trouble(None)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)
