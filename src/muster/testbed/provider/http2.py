"""The provider over HTTP/2: as many answers at a time on a connection as its settings allow."""

from __future__ import annotations

from muster.testbed.provider.generation import Generation, Route
from muster.testbed.wire import http2
from muster.testbed.wire.http2_headers import Fields
from muster.testbed.wire.openai import CHAT_PATH, BadRequest, ChatRequest, error_body

STREAMS_MAX = 1000
"""Streams on one connection. It limits what is lost with a connection, and a big load still needs
few.
"""
BODY_BYTES_MAX = 1 << 20
_JSON = (b"content-type", b"application/json")


class Http2Connections:
    """Every open connection of HTTP/2."""

    def __init__(self) -> None:
        self.open: set[Http2Connection] = set()

    def leave(self) -> None:
        """Take no new requests; close connections without open ones."""
        for connection in list(self.open):
            connection.leave()
            if not connection.streams:
                connection.close()


class Http2Connection(http2.Connection):
    """One client of one route."""

    __slots__ = ("_connections", "route")

    def __init__(self, connections: Http2Connections, route: Route) -> None:
        super().__init__(client=False, settings={http2.MAX_CONCURRENT_STREAMS: STREAMS_MAX})
        self._connections = connections
        self.route = route
        connections.open.add(self)

    def accept(self) -> http2.Stream:
        return ChatStream(self)

    def on_closed(self) -> None:
        self._connections.open.discard(self)


class ChatStream(http2.Stream):
    """One request and its answer."""

    __slots__ = ("_body", "_connection", "_fields", "_generation")

    def __init__(self, connection: Http2Connection) -> None:
        super().__init__()
        self._connection = connection
        self._fields: Fields = ()
        self._body = b""
        self._generation: Generation | None = None

    # From the connection

    def on_headers(self, fields: Fields, ended: bool) -> None:
        self._fields = self._fields or fields  # trailers mean nothing here
        if ended:
            self._handle()

    def on_data(self, data: bytes, ended: bool) -> None:
        self._body = self._body + data if self._body else data
        if len(self._body) > BODY_BYTES_MAX:
            self._refuse(413, "the body is too large", None)
        elif ended:
            self._handle()

    def on_reset(self, code: int) -> None:
        self.on_lost()

    def on_lost(self) -> None:
        if self._generation is not None:
            self._generation.stop()
            self._generation = None

    # From the generation

    def whole(self, body: bytes, injected_ms: int) -> None:
        ms = b"%d" % injected_ms
        self._answer(200, body, (b"openai-processing-ms", ms))

    def first(self, body: bytes, injected_ms: int) -> None:
        fields = (
            (b":status", b"200"),
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"openai-processing-ms", b"%d" % injected_ms),
        )
        self._connection.send_headers(self, fields)
        self._connection.send_data(self, body)

    def more(self, body: bytes) -> None:
        self._connection.send_data(self, body)

    def last(self, body: bytes) -> None:
        self._generation = None
        self._connection.send_data(self, body, end=True)

    def cut(self) -> None:
        self._generation = None
        self._connection.give_up(self)

    def _handle(self) -> None:
        known = dict(self._fields)
        trouble = self._connection.route.trouble
        target, method = known.get(b":path"), known.get(b":method")
        if target == b"/healthz":
            self._answer(200, b"{}")
        elif target != CHAT_PATH or method != b"POST":
            self._refuse(404, "no such path", "not_found")
        elif trouble.silent:
            pass
        elif trouble.reset:
            self._connection.give_up(self)
        elif trouble.status is not None:
            self._refuse(trouble.status, "the provider failed", None)
        else:
            try:
                ask = ChatRequest(self._body)
            except BadRequest as error:
                self._refuse(400, str(error), None)
                return
            self._body = b""
            self._generation = Generation(self, self._connection.route, ask)

    def _refuse(self, status: int, message: str, code: str | None) -> None:
        self._answer(status, error_body(status, message, code))

    def _answer(self, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
        self._generation = None
        length = (b"content-length", b"%d" % len(body))
        fields = ((b":status", b"%d" % status), _JSON, length, *more)
        self._connection.send_headers(self, fields)
        self._connection.send_data(self, body, end=True)
