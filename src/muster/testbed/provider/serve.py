"""The provider process: routes, streams on the timer wheel, figures.

A stream of n tokens lasts its first-token delay plus n / tokens_per_s. The first token comes alone,
then a chunk every chunk_s with the tokens of that time, and what is left at the end.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from muster.testbed.provider.config import ProviderConfig
from muster.testbed.provider.delays import Delays
from muster.testbed.provider.text import LAST_CHUNK, StreamText, framed, whole
from muster.testbed.provider.wheel import Wheel
from muster.testbed.wire.metrics import CONTENT_TYPE, Registry
from muster.testbed.wire.openai import CHAT_PATH, BadRequest, ChatRequest, error_answer
from muster.testbed.wire.process import (
    BACKLOG,
    die_with_parent,
    listener,
    orphaned,
    stop_event,
)
from muster.testbed.wire.server import Connections, Request, ServerConnection, answer
from muster.testbed.wire.ticker import TICK_S, Ticker


class Route:
    """One of the provider's two ways in."""

    def __init__(self, name: str, provider: Provider) -> None:
        config = provider.config
        slow = config.defect == "slow_fallback_provider" and name == "fallback"
        self.name = name
        self.provider = provider
        self.requests = 0
        self.streams = 0
        self.delays = Delays(
            config.first_token_s,
            config.seed,
            config.index,
            name,
            config.slow_fallback_extra_s if slow else 0.0,
        )


class Provider:
    """What all connections of the process share."""

    def __init__(self, config: ProviderConfig, wheel: Wheel) -> None:
        self.config = config
        self.wheel = wheel
        self.registry = Registry()
        self.routes = {name: Route(name, self) for name in config.routes}
        self.ticks_per_token = 1 / config.tokens_per_s / TICK_S
        self.chunk_ticks = max(1, round(config.chunk_s / TICK_S))
        self.serial = 0
        requests = self.registry.family(
            "muster_provider_requests_total", "counter", "Chat requests by route."
        )
        streams = self.registry.family(
            "muster_provider_streams_open", "gauge", "Answers being generated, by route."
        )
        for name, route in self.routes.items():
            requests.value({"route": name}, partial(getattr, route, "requests"))
            streams.value({"route": name}, partial(getattr, route, "streams"))


class Generation:
    """One answer being generated; the wheel moves it on."""

    __slots__ = (
        "ask",
        "connection",
        "group",
        "injected_ms",
        "keep_alive",
        "sent",
        "serial",
        "start",
        "text",
    )

    def __init__(self, connection: ProviderConnection, ask: ChatRequest, keep_alive: bool) -> None:
        route = connection.route
        provider = route.provider
        provider.serial += 1
        self.serial = f"{provider.config.index}-{provider.serial}"
        self.connection = connection
        self.group = connection.group
        self.ask = ask
        self.keep_alive = keep_alive
        self.sent = 0
        self.text = StreamText(ask, self.serial) if ask.stream else None
        now = provider.wheel.tick_at(time.monotonic())
        first = round(now + route.delays.draw_ticks())
        self.start = first
        # What is said to be injected is the delay up to the wheel's tick, not the drawn one.
        self.injected_ms = round((first - now) * TICK_S * 1000)
        provider.wheel.add(first if ask.stream else self._end_tick(), self)

    def due(self, tick: int) -> None:
        connection = self.connection
        if connection.generation is not self:
            return
        text = self.text
        if text is None:
            connection.answer_whole(self)
            return
        tokens = self.ask.tokens
        provider = connection.route.provider
        end = self._end_tick()
        if not self.sent:
            head = text.head(self.injected_ms)
            connection.write(head + framed(text.role() + text.content(1)))
            self.sent = 1
        else:
            due = tokens if tick >= end else int((tick - self.start) / provider.ticks_per_token)
            body = text.content(due - self.sent) if due > self.sent else b""
            self.sent = max(due, self.sent)
            if tick >= end:
                connection.write(framed(body + text.end()) + LAST_CHUNK)
                connection.ended(self)
                return
            if body:
                connection.write(framed(body))
        provider.wheel.add(min(end, tick + provider.chunk_ticks), self)

    def _end_tick(self) -> int:
        provider = self.connection.route.provider
        return self.start + max(1, round(self.ask.tokens * provider.ticks_per_token))


class ProviderConnection(ServerConnection):
    """A gateway's connection to one route."""

    __slots__ = ("generation", "group", "route")

    def __init__(self, connections: Connections, route: Route, group: int) -> None:
        super().__init__(connections)
        self.route = route
        self.group = group
        self.generation: Generation | None = None

    def handle(self, request: Request) -> None:
        if request.target != CHAT_PATH or request.method != b"POST":
            healthy = request.target == b"/healthz"
            self.write(
                answer(200, b"{}") if healthy else error_answer(404, "no such path", "not_found")
            )
            self.finish(keep_alive=request.keep_alive)
            return
        try:
            ask = ChatRequest(request.body)
        except BadRequest as error:
            self.write(error_answer(400, str(error), None))
            self.finish(keep_alive=request.keep_alive)
            return
        self.route.requests += 1
        self.route.streams += 1
        self.generation = Generation(self, ask, request.keep_alive)

    def answer_whole(self, generation: Generation) -> None:
        body = whole(generation.ask, generation.serial)
        self.write(answer(200, body, headers=f"openai-processing-ms: {generation.injected_ms}\r\n"))
        self.ended(generation)

    def ended(self, generation: Generation) -> None:
        self.generation = None
        self.route.streams -= 1
        self.finish(keep_alive=generation.keep_alive)

    def gone(self) -> None:
        if self.generation is not None:
            self.generation = None
            self.route.streams -= 1


class AdminConnection(ServerConnection):
    """Health and metrics."""

    __slots__ = ("provider",)

    def __init__(self, connections: Connections, provider: Provider) -> None:
        super().__init__(connections)
        self.provider = provider

    def handle(self, request: Request) -> None:
        if request.target == b"/metrics":
            page = self.provider.registry.render()
            self.write(answer(200, page, content_type=CONTENT_TYPE))
        elif request.target in (b"/healthz", b"/readyz"):
            self.write(answer(200, b'{"status":"ok"}'))
        else:
            self.write(answer(404, b"{}"))
        self.finish(keep_alive=request.keep_alive)


async def serve(config: ProviderConfig) -> None:
    """Serve until told to stop; open answers may finish within `grace_s`."""
    die_with_parent(config.parent_pid)
    loop = asyncio.get_running_loop()
    stop = stop_event()
    wheel = Wheel()
    provider = Provider(config, wheel)
    ticker = Ticker(loop)
    ticker.publish(provider.registry, {"component": "provider"})
    ticker.on_tick.append(wheel.advance)
    connections = Connections(idle_s_max=600.0)
    servers: list[asyncio.Server] = []
    for name, (host, port) in config.routes.items():
        for address in (host, *config.more_addresses):
            # Each proxy has an address of its own, so a listener's connections are one proxy's.
            group = len(servers)
            factory = partial(ProviderConnection, connections, provider.routes[name], group)
            sock = listener(f"routes.{name}", (address, port))
            servers.append(await loop.create_server(factory, sock=sock, backlog=BACKLOG))
    admin_connections = Connections()
    admin_socket = listener("admin", config.admin)
    admin = await loop.create_server(
        partial(AdminConnection, admin_connections, provider), sock=admin_socket
    )
    ticker.start()
    print("ready", flush=True)
    while not stop.is_set() and not orphaned(config.parent_pid):
        connections.sweep(time.monotonic())
        admin_connections.sweep(time.monotonic())
        try:
            async with asyncio.timeout(1.0):
                await stop.wait()
        except TimeoutError:
            continue
    for server in servers:
        server.close()
    deadline_s = time.monotonic() + config.grace_s
    connections.close_idle()
    while connections.open and time.monotonic() < deadline_s:
        connections.close_idle()
        await asyncio.sleep(0.02)
    admin.close()
    ticker.stop()
