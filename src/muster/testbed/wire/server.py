"""HTTP/1.1 requests in, one at a time on a connection.

1. A request is handed over whole (head and bounded body); the next one waits until it is answered.
2. A request that is too large is closed at once (431 or 413), a silent one by a sweep each second.
3. What a client sends ahead is kept up to a limit; beyond it the socket is not read.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import cast

import httptools

HEAD_BYTES_MAX = 16 * 1024
BACKLOG_BYTES_MAX = 64 * 1024
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Request:
    """One request as it was read. `accepted_s` is the monotonic time at which its head was
    complete.
    """

    __slots__ = ("accepted_s", "authorization", "body", "keep_alive", "method", "old", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        authorization: bytes,
        body: bytes,
        keep_alive: bool,
        accepted_s: float,
        old: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.authorization = authorization
        self.body = body
        self.keep_alive = keep_alive
        self.accepted_s = accepted_s
        self.old = old


def answer(
    status: int,
    body: bytes,
    *,
    content_type: str = "application/json",
    headers: str = "",
    close: bool = False,
) -> bytes:
    """A whole answer. `headers` are additional header lines, each with its line end."""
    return (
        f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"{headers}{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n"
    ).encode("latin-1") + body


class Connections:
    """Every open connection of one server, and the limits of each."""

    def __init__(
        self,
        *,
        body_bytes_max: int = 1 << 20,
        request_s_max: float = 10.0,
        idle_s_max: float = 75.0,
    ) -> None:
        self.open: set[ServerConnection] = set()
        self.body_bytes_max = body_bytes_max
        self.request_s_max = request_s_max
        self.idle_s_max = idle_s_max

    def sweep(self, now_s: float) -> None:
        """Close connections with an unfinished request past its time, or idle for too long."""
        for connection in list(self.open):
            if not connection.busy:
                bound_s = self.request_s_max if connection.begun else self.idle_s_max
                if now_s - connection.quiet_since_s > bound_s:
                    connection.close()

    def close_idle(self) -> None:
        """Close every connection that has no request in work."""
        for connection in list(self.open):
            if not connection.busy:
                connection.close()


class ServerConnection(asyncio.Protocol):
    """One client's connection. Subclasses answer in `handle` and then call `finish`."""

    __slots__ = (
        "_authorization",
        "_backlog",
        "_body",
        "_content_bytes",
        "_expects",
        "_fed_bytes",
        "_head_bytes",
        "_head_done",
        "_parser",
        "_pumping",
        "_ready",
        "_refused",
        "_target",
        "accepted_s",
        "begun",
        "busy",
        "closing",
        "connections",
        "quiet_since_s",
        "transport",
    )

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.transport: asyncio.Transport | None = None
        self.busy = False
        self.closing = False
        self.begun = False
        self.quiet_since_s = time.monotonic()
        self.accepted_s = 0.0
        self._parser = httptools.HttpRequestParser(self)
        self._ready: deque[Request] = deque()
        self._backlog = bytearray()
        self._pumping = False
        self._refused = 0
        self._head_bytes = 0
        self._body = b""
        self._reset()

    def handle(self, request: Request) -> None:
        """Answer `request`, now or later, then call `finish`."""
        raise NotImplementedError

    def refuse(self, status: int) -> None:
        """Answer a request that could not be read; the connection closes after."""
        self.write(answer(status, b"", close=True))

    def gone(self) -> None:
        """The client went away while its request was in work."""

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """End the connection after what was written."""
        self.closing = True
        if self.transport is not None:
            self.transport.close()

    def finish(self, *, keep_alive: bool) -> None:
        """The answer is written: close, or continue with the next request."""
        self.busy = False
        if not keep_alive or self.closing:
            self.close()
            return
        self.quiet_since_s = time.monotonic()
        if self._ready or self._backlog:
            self._pump()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.connections.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.open.discard(self)
        self.transport = None
        self.closing = True
        if self.busy:
            self.busy = False
            self.gone()

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        if self.busy:
            self._backlog += data
            if len(self._backlog) > BACKLOG_BYTES_MAX and self.transport is not None:
                self.transport.pause_reading()
            return
        self._parse(data)
        if self._ready or self._refused:
            self._pump()

    def _pump(self) -> None:
        # A loop, not a recursion: a client may send a thousand requests ahead.
        if self._pumping:
            return
        self._pumping = True
        while not self.busy and not self.closing:
            if self._ready:
                self.busy = True
                self.handle(self._ready.popleft())
            elif self._refused:
                self._refuse_and_linger()
            elif self._backlog:
                data = bytes(self._backlog)
                self._backlog.clear()
                if len(data) > BACKLOG_BYTES_MAX and self.transport is not None:
                    self.transport.resume_reading()
                self._parse(data)
            else:
                break
        self._pumping = False

    def _parse(self, data: bytes) -> None:
        if not self.begun:
            self.begun = True
            self.quiet_since_s = time.monotonic()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refused = self._refused or 400
        if self.begun and not self._head_done:
            # The parser keeps an unfinished header to itself, so the bytes fed to it are counted.
            self._fed_bytes += len(data)
            if self._fed_bytes > HEAD_BYTES_MAX:
                self._refused = self._refused or 431

    def _refuse_and_linger(self) -> None:
        # Closing while the client still sends would reset the connection and lose the answer.
        # Incoming data is dropped until the client or the sweep closes the connection.
        self.refuse(self._refused)
        self.closing = True
        self.begun = True
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    # httptools

    def on_message_begin(self) -> None:
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        self._head_bytes += size + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refused = self._refused or 431
        # Lengths first: lower-casing every name would cost more than the rest of this.
        if size == 13 and name.lower() == b"authorization":
            self._authorization = value
        elif size == 14 and name.lower() == b"content-length":
            self._content_bytes = int(value) if value.isdigit() else 0
        elif size == 6 and name.lower() == b"expect":
            self._expects = True

    def on_headers_complete(self) -> None:
        self._head_done = True
        self.accepted_s = time.monotonic()
        if self._content_bytes > self.connections.body_bytes_max:
            self._refused = self._refused or 413
        elif self._expects and not self.busy:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._body = self._body + body if self._body else body
        if len(self._body) > self.connections.body_bytes_max:
            self._refused = self._refused or 413

    def on_message_complete(self) -> None:
        self.begun = False
        if self._refused:
            return
        parser = self._parser
        self._ready.append(
            Request(
                parser.get_method(),
                self._target,
                self._authorization,
                self._body,
                parser.should_keep_alive(),
                self.accepted_s,
                parser.get_http_version() == "1.0",
            )
        )

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refused = self._refused or 431

    def _reset(self) -> None:
        self._target = b""
        self._authorization = b""
        self._body = b""
        self._content_bytes = 0
        self._expects = False
        self._fed_bytes = 0
        self._head_bytes = 0
        self._head_done = False
