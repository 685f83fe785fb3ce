"""The gateway process: listeners, beats, the admin page, and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from typing import cast

import orjson

from muster.exposition import CONTENT_TYPE, Registry
from muster.testbed.gateway.attempt import Attempt
from muster.testbed.gateway.config import GatewayConfig
from muster.testbed.gateway.connection import ChatConnection
from muster.testbed.gateway.core import DRAIN_STATES, Gateway
from muster.testbed.gateway.front import PROBED, Front
from muster.testbed.gateway.planted_streams import STREAMS
from muster.testbed.wire.process import die_with_parent, listener, orphaned, stop_event
from muster.testbed.wire.server import Connections, Request, ServerConnection, answer
from muster.testbed.wire.ticker import Ticker

REDIS_WAIT_S = 1.0
FOUND_READY = f"/readyz?{PROBED}".encode()
PHASE = 0.4
"""The fraction of a tick after the provider's beat at which its chunks have passed the proxy."""


def registry_of(gateway: Gateway) -> Registry:
    """Every series of the gateway."""
    registry = Registry()
    config, admission = gateway.config, gateway.admission
    here = {"region": config.region}
    gateway.figures.publish(registry, config.region)
    for name, read, text in (
        ("chat_streams_active", lambda: admission.held, "Streams held, without canaries."),
        ("chat_streams_limit", lambda: config.streams_limit, "This gateway's part of the limit."),
        (
            "chat_queue_oldest_job_age_seconds",
            lambda: gateway.queue_age_s,
            "Age of the oldest job that waits for admission; 0 when none does.",
        ),
        ("chat_queue_jobs", lambda: gateway.queue_jobs, "Jobs that wait for admission."),
        ("chat_redis_up", lambda: int(admission.wire.up), "Whether Redis answers."),
        (
            "chat_drain_state",
            lambda: DRAIN_STATES.index(gateway.drain_state),
            "0 serving, 1 closing, 2 draining.",
        ),
        ("chat_ready", lambda: int(gateway.ready), "What /readyz says."),
    ):
        registry.family(name, "gauge", text).value(here, read)
    circuits = registry.family(
        "chat_provider_circuit_open", "gauge", "Whether a route's circuit is open."
    )
    pools = registry.family("chat_provider_connections", "gauge", "Open connections by route.")
    for route, circuit in gateway.circuits.items():
        circuits.value({**here, "route": route}, partial(_as_int, circuit, "open"))
        pools.value({**here, "route": route}, partial(_as_int, gateway.pools[route], "open"))
    registry.family("platform_build_info", "gauge", "Always 1; the label is the build.").value(
        {**here, "version": config.build}, lambda: 1
    )
    return registry


class AdminConnection(ServerConnection):
    """Health, metrics, drain, partition and the planted defect's switch; on loopback, for the
    supervisor.
    """

    __slots__ = ("front", "gateway", "registry")

    def __init__(
        self, connections: Connections, gateway: Gateway, registry: Registry, front: Front
    ) -> None:
        super().__init__(connections)
        self.gateway = gateway
        self.registry = registry
        self.front = front

    def handle(self, request: Request) -> None:
        self.write(self._answer(request))
        self.finish(keep_alive=request.keep_alive)

    def _answer(self, request: Request) -> bytes:
        gateway = self.gateway
        target, method = request.target, request.method
        if target == b"/metrics":
            return answer(200, self.registry.render(), content_type=CONTENT_TYPE)
        if target == b"/healthz":
            return answer(200, b'{"status":"ok"}')
        if target == FOUND_READY and gateway.ready:
            self.front.found_ready()
        if target in (b"/readyz", FOUND_READY):
            return answer(200 if gateway.ready else 503, orjson.dumps({"ready": gateway.ready}))
        if target == b"/admin/drain":
            if method == b"POST":
                state = _field(request.body, "state")
                if state not in DRAIN_STATES:
                    return _wrong("state", state, "one of serving, closing, draining")
                gateway.set_drain(state)
            return answer(
                200,
                orjson.dumps(
                    {"state": gateway.drain_state, "empty": gateway.drained, "ready": gateway.ready}
                ),
            )
        if target == b"/admin/partition":
            if method == b"POST":
                cut = _field(request.body, "cut")
                if not isinstance(cut, bool):
                    return _wrong("cut", cut, "true or false")
                (self.front.cut if cut else self.front.join)()
            return answer(200, orjson.dumps({"cut": self.front.is_cut}))
        if target == b"/admin/defect":
            planted = gateway.planted
            if method == b"POST":
                armed = _field(request.body, "armed")
                if not isinstance(armed, bool):
                    return _wrong("armed", armed, "true or false")
                planted.armed = armed
            return answer(200, orjson.dumps({"defect": planted.name, "armed": planted.armed}))
        return answer(404, b'{"error":"no such path"}')


def _as_int(owner: object, name: str) -> int:
    return int(getattr(owner, name))


def _field(body: bytes, key: str) -> object:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data.get(key) if isinstance(data, dict) else None


def _wrong(key: str, value: object, expected: str) -> bytes:
    text = f"{key}: got {value!r}, expected {expected}"
    return answer(400, orjson.dumps({"error": text}))


async def serve(config: GatewayConfig) -> None:
    """Serve until told to stop; open streams may finish within `grace_s`."""
    die_with_parent(config.parent_pid)
    loop = asyncio.get_running_loop()
    stop = stop_event()
    gateway = Gateway(config)
    registry = registry_of(gateway)
    clients = Connections(
        body_bytes_max=config.body_bytes_max,
        request_s_max=config.request_s_max,
        idle_s_max=config.client_idle_s_max,
    )
    operators = Connections()
    host, port = config.listen
    attempt_type = STREAMS.get(config.defect or "", Attempt)
    front = Front(
        [(address, port) for address in (host, *config.more_addresses)],
        clients,
        partial(ChatConnection, clients, gateway, attempt_type),
        waits=config.waits_for_probe,
    )
    admin_socket = listener("admin", config.admin)
    ticker = Ticker(loop, phase=PHASE, waits=gateway.admission.wire.waits)
    ticker.publish(registry, {"component": "gateway", "region": config.region})
    ticker.on_tick.append(gateway.tick)
    if config.defect is not None:
        ticker.on_tick.append(partial(_cut_when_planted, gateway, clients))
    ticker.start()
    gateway.admission.wire.start()
    asking = None if gateway.tokens is None else asyncio.create_task(gateway.tokens.watch())
    await _redis_or_timeout(gateway)
    await front.begin()
    admin = await loop.create_server(
        partial(AdminConnection, operators, gateway, registry, front), sock=admin_socket
    )
    print("ready", flush=True)
    while not stop.is_set() and not orphaned(config.parent_pid):
        now_s = time.monotonic()
        clients.sweep(now_s)
        operators.sweep(now_s)
        gateway.sweep(now_s, _attempts(clients))
        try:
            async with asyncio.timeout(1.0):
                await stop.wait()
        except TimeoutError:
            continue
    gateway.stopping = True
    front.close()
    deadline_s = time.monotonic() + config.grace_s
    clients.close_idle()
    while clients.open and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
        clients.close_idle()
    gateway.cut_streams(_attempts(clients))
    await gateway.admission.stop()
    if asking is not None:
        asking.cancel()
    gateway.close()
    admin.close()
    ticker.stop()
    await asyncio.sleep(0)


def _attempts(connections: Connections) -> Iterator[Attempt]:
    """The number of requests in work."""
    for connection in cast(list[ChatConnection], list(connections.open)):
        if connection.attempt is not None:
            yield connection.attempt


def _cut_when_planted(gateway: Gateway, clients: Connections, now_s: float, lag_s: float) -> None:
    if gateway.planted.cuts_now(now_s):
        gateway.cut_streams(_attempts(clients))


async def _redis_or_timeout(gateway: Gateway) -> None:
    """Give Redis a moment, so that the first requests need no fallback."""
    deadline_s = time.monotonic() + REDIS_WAIT_S
    while not gateway.admission.wire.up and time.monotonic() < deadline_s:
        await asyncio.sleep(0.01)
