"""The name server's sockets and its loop: poll the API, run the health checks, answer."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, cast

from pydantic import Field

from muster.documents import Document, parse
from muster.errors import BadInput
from muster.exposition import CONTENT_TYPE, Labels, Registry
from muster.testbed.dns.answer import Memo, answer
from muster.testbed.dns.decide import AddressRecord
from muster.testbed.dns.health import Checker
from muster.testbed.dns.records import HealthCheck, Route53Reader, Zone
from muster.testbed.dns.trouble import InTurn, Late, Trouble
from muster.testbed.rig.small_http import Answer, Request, serve

TCP_IDLE_S_MAX = 10.0
LONG_NEGATIVE_TTL_S = 600
"""For the planted defect `long_negative_ttl`."""
Address = tuple[str, Annotated[int, Field(ge=1, le=65535)]]
Seconds = Annotated[float, Field(gt=0)]


class DnsConfig(Document):
    """The name server's configuration. `probe_interval_s` None: the health checks' own."""

    listen: Address
    admin: Address
    zone: str
    route53_url: str
    poll_s: Seconds = 0.5
    probe_interval_s: Seconds | None = None
    seed: int = 1
    defect: str | None = None
    inside: dict[str, Address] = Field(
        default={}, description="checks_from_inside: the admin address by a region's address"
    )
    parent_pid: int | None = None


class Figures:
    """The name server's own counts."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.queries: Counter[str] = Counter()
        self.poll_failures = 0


class NameServer:
    """Authoritative for one zone, by UDP and TCP."""

    def __init__(self, config: DnsConfig) -> None:
        self._config = config
        self._reader = Route53Reader(config.route53_url, config.zone)
        self._random = random.Random(config.seed)
        self._zone: Zone | None = None
        self._memo: Memo | None = None
        self._read_s: float | None = None
        self._first_weights: dict[tuple[str, str], int] = {}
        self._trouble = Trouble()
        self._frozen: tuple[Memo, dict[str, bool]] | None = None
        self._late = InTurn() if config.defect == "answers_in_turn" else Late()
        self.checker = Checker(config.probe_interval_s)
        self.figures = Figures()
        self._registry = self._declared()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`. Raises OSError if an address is in use."""
        host, port = self._config.listen
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(self), local_addr=(host, port), family=socket.AF_INET
        )
        tcp = await asyncio.start_server(self._tcp, host, port)
        admin = await serve(*self._config.admin, self._admin)
        poller = asyncio.create_task(self._poll_always())
        await self.checker.probed.wait()
        print("ready", flush=True)
        try:
            await stop.wait()
        finally:
            poller.cancel()
            await self.checker.close()
            transport.close()
            tcp.close()
            admin.close()

    def answer(self, packet: bytes) -> bytes | None:
        """The answer to one query; None if there is none to give."""
        draw = self._random.random
        # The planted defect: a region counts as healthy unless it is known to be unhealthy.
        healthy = {} if self._config.defect == "ignores_health" else self.checker.healthy
        memo = self._memo
        if self._frozen is not None:
            memo, healthy = self._frozen
        if memo is None:
            answered = answer(packet, None, healthy, draw)
        elif self._trouble.empty:
            answered = answer(packet, replace(memo.zone, records=()), healthy, draw)
        else:
            answered = memo.answer(packet, healthy, draw)
        self.figures.queries[answered.rcode] += 1
        if answered.region:
            self.figures.answers[answered.region] += 1
        return answered.packet

    @property
    def delay_s(self) -> float:
        """How much later an answer is sent, in seconds."""
        return self._trouble.delay_ms / 1000

    def later(self, call: Callable[[], None]) -> None:
        """Send an answer, as late as the server was told to."""
        self._late.after(self.delay_s, call)

    async def _poll_always(self) -> None:
        while True:
            began = time.monotonic()
            try:
                zone = await asyncio.to_thread(self._reader.read)
            except Exception:  # whatever the API or its client does, the last records stay
                self.figures.poll_failures += 1
            else:
                self._take(zone)
            await asyncio.sleep(max(0.0, self._config.poll_s - (time.monotonic() - began)))

    def _take(self, zone: Zone) -> None:
        if self._config.defect == "ignores_weights":
            zone = self._with_first_weights(zone)
        elif self._config.defect == "long_negative_ttl":
            zone = replace(zone, negative_ttl_s=LONG_NEGATIVE_TTL_S)
        self._read_s = time.monotonic()
        if zone == self._zone:
            return
        self._zone = zone
        self._memo = Memo(zone)
        for record in zone.records:
            self.figures.answers[record.region] += 0  # shown from 0 on
        self.checker.follow(self._seen_from(check) for check in zone.checks)

    def _seen_from(self, check: HealthCheck) -> HealthCheck:
        """The planted defect: a check asks where no client does; else it is as it stands."""
        inside = self._config.inside.get(check.address)
        if self._config.defect != "checks_from_inside" or inside is None:
            return check
        return replace(check, address=inside[0], port=inside[1])

    def _with_first_weights(self, zone: Zone) -> Zone:
        """The planted defect: records keep the weight that was read first."""
        return replace(
            zone,
            records=tuple(
                replace(
                    record,
                    weight=self._first_weights.setdefault(
                        (record.name, record.region), record.weight
                    ),
                )
                for record in zone.records
            ),
        )

    async def _admin(self, request: Request) -> Answer:
        if request.path == "/metrics":
            return Answer(200, self._registry.render().decode(), CONTENT_TYPE)
        if request.path in ("/healthz", "/readyz"):
            ready = self._zone is not None and self.checker.probed.is_set()
            return Answer(200 if ready else 503, "ok\n" if ready else "no records yet\n")
        if request.path == "/trouble":
            if request.method == "POST":
                try:
                    self._tell(parse(Trouble, json.loads(request.body), "body"))
                except (ValueError, BadInput) as error:
                    return Answer(400, {"error": str(error)})
            return Answer(200, self._trouble.model_dump(exclude_defaults=True))
        return Answer(404, {"error": "no such path"})

    def _tell(self, trouble: Trouble) -> None:
        self._trouble = trouble
        if trouble.stale and self._frozen is None and self._memo is not None:
            self._frozen = self._memo, dict(self.checker.healthy)
        elif not trouble.stale and self._config.defect != "never_reads_again":
            self._frozen = None

    def _declared(self) -> Registry:
        """Every series of the name server."""
        registry, figures = Registry(), self.figures
        family = registry.family
        nothing: Labels = {}
        family("muster_dns_answers_total", "counter", "Answers by the region they name.").table(
            nothing, "region", figures.answers
        )
        family("muster_dns_queries_total", "counter", "Queries by answer code.").table(
            nothing, "rcode", figures.queries
        )
        family("muster_dns_poll_failures_total", "counter", "Polls that failed.").value(
            nothing, lambda: figures.poll_failures
        )
        family(
            "muster_dns_region_healthy", "gauge", "1 while a region's health check passes."
        ).rows(self._healthy)
        family("muster_dns_region_weight", "gauge", "Weight of the record in force.").rows(
            self._weights
        )
        family("muster_dns_records_age_seconds", "gauge", "Time since the API last answered.").rows(
            self._age
        )
        return registry

    def _healthy(self) -> Iterator[tuple[Labels, int]]:
        healthy = self.checker.healthy
        for region, record in self._by_region().items():
            well = record.health_check_id is None or healthy.get(record.health_check_id, True)
            yield {"region": region}, int(well)

    def _weights(self) -> Iterator[tuple[Labels, int]]:
        for region, record in self._by_region().items():
            yield {"region": region}, record.weight

    def _by_region(self) -> dict[str, AddressRecord]:
        # One series for each region, however many names it has records under.
        return {record.region: record for record in (self._zone.records if self._zone else ())}

    def _age(self) -> Iterator[tuple[Labels, float]]:
        # No value before the first answer, because an age of 0 would be wrong.
        if self._read_s is not None:
            yield {}, time.monotonic() - self._read_s

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(TCP_IDLE_S_MAX):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    packet = await reader.readexactly(length)
                reply = self.answer(packet)
                if reply is None:
                    break
                await asyncio.sleep(self.delay_s)
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every datagram transport of the standard library is of the declared class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._server.answer(data)
        transport = self._transport
        if reply is not None and transport is not None:
            self._server.later(lambda: transport.sendto(reply, addr))
