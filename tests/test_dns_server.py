"""The name server's loop: records from a Route 53 API that comes and goes, health by probing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import dnslib
import pytest

from muster.testbed.design import ports
from muster.testbed.dns import server as module
from muster.testbed.dns.decide import AddressRecord
from muster.testbed.dns.health import Checker, probe
from muster.testbed.dns.records import HealthCheck, Zone
from muster.testbed.dns.server import DnsConfig, NameServer
from muster.testbed.rig.small_http import Answer, Request, serve


class Api:
    """Stands in for the reader of the Route 53 API; `broken` makes it fail."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.broken = False
        self.reads = 0

    def read(self) -> Zone:
        self.reads += 1
        if self.broken:
            raise ConnectionError("no API")
        return self.zone


def zone(weight: int, port: int) -> Zone:
    """A zone with one region at a health check on `port`."""
    check = HealthCheck("h", "127.0.0.1", port, "/readyz", 10.0, 1)
    record = AddressRecord("chat.muster.test.", "eu", ("127.0.1.1",), weight, 5, "h")
    return Zone("muster.test.", (record,), (check,), names=frozenset({"muster.test.", record.name}))


async def until(holds: Callable[[], Any]) -> None:
    """Wait until `holds`; fails after 10 s."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def free_base() -> int:
    """A block of ports that is free now."""
    for base in ports.free_blocks():
        try:
            ports.check([ports.Wish("test", "127.0.0.1", base + n) for n in range(4)])
        except Exception:
            continue
        return base
    raise AssertionError("no free ports")


def run(
    monkeypatch: pytest.MonkeyPatch,
    body: Callable[[NameServer, Api, int], Awaitable[None]],
    **settings: Any,
) -> None:
    """Run `body` beside a name server whose API is a stand-in."""
    base = free_base()
    api = Api(zone(50, base + 2))
    monkeypatch.setattr(module, "Route53Reader", lambda url, name: api)

    async def whole() -> None:
        config = DnsConfig(
            listen=("127.0.0.1", base),
            admin=("127.0.0.1", base + 1),
            zone="muster.test.",
            route53_url="http://unused",
            poll_s=0.02,
            probe_interval_s=0.02,
            **settings,
        )
        server = NameServer(config)
        stop = asyncio.Event()
        task = asyncio.create_task(server.run(stop))
        try:
            await asyncio.wait_for(server.checker.probed.wait(), 10)
            await body(server, api, base)
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)

    asyncio.run(whole())


def rcode(server: NameServer) -> int:
    """The answer code for the public name."""
    packet = server.answer(dnslib.DNSRecord.question("chat.muster.test").pack())
    assert packet is not None
    return int(dnslib.DNSRecord.parse(packet).header.rcode)


def test_an_api_that_is_away_leaves_the_last_records_and_shows_their_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Answers go on; the age of the records grows and the failed polls are counted."""

    async def body(server: NameServer, api: Api, base: int) -> None:
        api.broken = True
        seen = api.reads
        await until(lambda: api.reads > seen + 5)
        assert rcode(server) == 0
        answer = await server._admin(Request("GET", "/metrics", {}, b""))
        lines = dict(line.rsplit(" ", 1) for line in answer.body.splitlines() if line[0] != "#")
        assert float(lines["muster_dns_records_age_seconds"]) > 0.05
        assert float(lines["muster_dns_poll_failures_total"]) >= 4
        assert float(lines['muster_dns_answers_total{region="eu"}']) == 1

    run(monkeypatch, body)


@pytest.mark.parametrize(("defect", "kept"), [(None, 7), ("ignores_weights", 50)])
def test_weights_are_followed_unless_the_defect_is_planted(
    monkeypatch: pytest.MonkeyPatch, defect: str | None, kept: int
) -> None:
    """The weight in force is the API's, or the first one that was seen."""

    async def body(server: NameServer, api: Api, base: int) -> None:
        api.zone = zone(7, base + 2)
        seen = api.reads
        await until(lambda: api.reads > seen + 2)
        answer = await server._admin(Request("GET", "/metrics", {}, b""))
        assert f'muster_dns_region_weight{{region="eu"}} {kept}\n' in answer.body

    run(monkeypatch, body, defect=defect)


@pytest.mark.parametrize(("defect", "told"), [(None, "eu2"), ("ignores_health", "eu")])
def test_the_ill_are_left_out_unless_the_defect_is_planted(
    monkeypatch: pytest.MonkeyPatch, defect: str | None, told: str
) -> None:
    """A region whose health check fails is answered with all the same."""

    async def body(server: NameServer, api: Api, base: int) -> None:
        well = replace(api.zone.records[0], region="eu2", health_check_id=None)
        api.zone = replace(api.zone, records=(replace(api.zone.records[0], weight=255), well))
        await until(lambda: server._zone == api.zone)
        await until(lambda: server.checker.healthy == {"h": False})
        for _ in range(100):
            rcode(server)
        named = server.figures.answers[told]
        assert named == 100 if defect is None else named > 50

    run(monkeypatch, body, defect=defect)


def test_health_follows_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused: unhealthy. 2xx or 3xx: healthy. 503: unhealthy."""

    async def body(server: NameServer, api: Api, base: int) -> None:
        await until(lambda: server.checker.healthy == {"h": False})
        status = 204

        async def handler(request: Request) -> Answer:
            assert request.path == "/readyz"
            return Answer(status)

        endpoint = await serve("127.0.0.1", base + 2, handler)
        await until(lambda: server.checker.healthy == {"h": True})
        status = 503
        await until(lambda: server.checker.healthy == {"h": False})
        status = 302
        await until(lambda: server.checker.healthy == {"h": True})
        endpoint.close()

    run(monkeypatch, body)


def test_a_check_that_is_gone_is_probed_no_more() -> None:
    """Health checks that no record names any longer are left alone."""

    async def body() -> None:
        checker = Checker(0.01)
        check = HealthCheck("h", "127.0.0.1", 1, "/", 10.0, 1)
        checker.follow([check])
        await asyncio.wait_for(checker.probed.wait(), 5)
        checker.follow([])
        assert checker.healthy == {}
        probes = checker.probes_total
        await asyncio.sleep(0.05)
        assert checker.probes_total == probes
        await checker.close()

    asyncio.run(body())


def test_an_endpoint_that_says_nothing_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepting a connection alone is no answer."""
    monkeypatch.setattr("muster.testbed.dns.health.ANSWER_S_MAX", 0.05)

    async def body() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        endpoint = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = endpoint.sockets[0].getsockname()[1]
        assert await probe(HealthCheck("h", "127.0.0.1", port, "/", 10.0, 1)) is False
        endpoint.close()

    asyncio.run(body())
