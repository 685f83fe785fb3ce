"""The provider over HTTP/1.1: one request at a time on a connection, answered in chunks.

A connection that begins with HTTP/2's preface is handed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from muster.testbed.provider.generation import Generation, Route
from muster.testbed.wire.chunked import LAST_CHUNK, framed
from muster.testbed.wire.http2 import PREFACE
from muster.testbed.wire.openai import CHAT_PATH, BadRequest, ChatRequest, error_answer
from muster.testbed.wire.server import Connections, Request, ServerConnection, answer

TELLING_BYTES = 3
"""`PRI` begins no HTTP/1.1 request that is served here."""


class Http1Connection(ServerConnection):
    """One client of one route."""

    __slots__ = ("_begun_with", "_generation", "_keep_alive", "_route", "_to_http2")

    def __init__(
        self, connections: Connections, route: Route, to_http2: Callable[[], asyncio.Protocol]
    ) -> None:
        super().__init__(connections)
        self._route = route
        self._to_http2 = to_http2
        self._generation: Generation | None = None
        self._keep_alive = True
        self._begun_with: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        if self._begun_with is not None:
            data = self._begun_with + data
            if len(data) < TELLING_BYTES and PREFACE.startswith(data):
                self._begun_with = data
                return
            self._begun_with = None
            if data[:TELLING_BYTES] == PREFACE[:TELLING_BYTES]:
                self._hand_on(data)
                return
        super().data_received(data)

    def handle(self, request: Request) -> None:
        if request.target != CHAT_PATH or request.method != b"POST":
            healthy = request.target == b"/healthz"
            self.write(
                answer(200, b"{}") if healthy else error_answer(404, "no such path", "not_found")
            )
            self.finish(keep_alive=request.keep_alive)
            return
        trouble = self._route.trouble
        if trouble.silent:
            return
        if trouble.reset:
            if self.transport is not None:
                self.transport.abort()
            return
        if trouble.status is not None:
            self.write(error_answer(trouble.status, "the provider failed", None))
            self.finish(keep_alive=request.keep_alive)
            return
        try:
            ask = ChatRequest(request.body)
        except BadRequest as error:
            self.write(error_answer(400, str(error), None))
            self.finish(keep_alive=request.keep_alive)
            return
        self._keep_alive = request.keep_alive
        self._generation = Generation(self, self._route, ask)

    def whole(self, body: bytes, injected_ms: int) -> None:
        self.write(answer(200, body, headers=f"openai-processing-ms: {injected_ms}\r\n"))
        self._end()

    def first(self, body: bytes, injected_ms: int) -> None:
        self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Cache-Control: no-cache\r\nopenai-processing-ms: %d\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n%b" % (injected_ms, framed(body))
        )

    def more(self, body: bytes) -> None:
        self.write(framed(body))

    def last(self, body: bytes) -> None:
        self.write(framed(body) + LAST_CHUNK)
        self._end()

    def cut(self) -> None:
        self._generation = None
        if self.transport is not None:
            self.transport.abort()

    def gone(self) -> None:
        if self._generation is not None:
            self._generation.stop()
            self._generation = None

    def _end(self) -> None:
        self._generation = None
        self.finish(keep_alive=self._keep_alive)

    def _hand_on(self, data: bytes) -> None:
        transport = self.transport
        self.connections.open.discard(self)
        self.transport = None
        if transport is not None:
            protocol = self._to_http2()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            protocol.data_received(data)
