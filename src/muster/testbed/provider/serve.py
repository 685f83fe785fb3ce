"""The provider process: listeners, the beat, the admin page, and its end."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import orjson

from muster.documents import parse
from muster.errors import BadInput
from muster.exposition import CONTENT_TYPE
from muster.testbed.provider.config import ProviderConfig
from muster.testbed.provider.generation import Provider
from muster.testbed.provider.http1 import Http1Connection
from muster.testbed.provider.http2 import Http2Connection, Http2Connections
from muster.testbed.provider.trouble import RouteTrouble
from muster.testbed.provider.wheel import Wheel
from muster.testbed.wire.openai import error_answer
from muster.testbed.wire.process import (
    BACKLOG,
    die_with_parent,
    listener,
    orphaned,
    stop_event,
)
from muster.testbed.wire.server import Connections, Request, ServerConnection, answer
from muster.testbed.wire.ticker import Ticker


class AdminConnection(ServerConnection):
    """Health, metrics, and the trouble of each route."""

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
        elif request.target == b"/trouble":
            self.write(self._trouble(request))
        else:
            self.write(answer(404, b"{}"))
        self.finish(keep_alive=request.keep_alive)

    def _trouble(self, request: Request) -> bytes:
        routes = self.provider.routes
        if request.method == b"POST":
            try:
                told = parse(RouteTrouble, orjson.loads(request.body), "body")
            except (orjson.JSONDecodeError, BadInput) as error:
                return error_answer(400, str(error), None)
            routes[told.route].trouble = told.trouble
        return answer(
            200,
            orjson.dumps(
                {
                    name: route.trouble.model_dump(exclude_defaults=True)
                    for name, route in routes.items()
                }
            ),
        )


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
    shared = Http2Connections()
    servers: list[asyncio.Server] = []
    for name, address in config.routes.items():
        route = provider.routes[name]
        to_http2 = partial(Http2Connection, shared, route)
        factory = partial(Http1Connection, connections, route, to_http2)
        sock = listener(f"routes.{name}", address)
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
    while True:
        connections.close_idle()
        shared.leave()
        if not (connections.open or shared.open) or time.monotonic() >= deadline_s:
            break
        await asyncio.sleep(0.02)
    admin.close()
    ticker.stop()
