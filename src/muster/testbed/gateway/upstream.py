"""Connections to the provider: kept alive, bounded, and read without taking streams apart.

What comes before the first content is held back, so that a slow route can still be left without the
client having seen anything of it; from then on bytes pass through as they come.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, cast

from muster.machine import unpaced
from muster.testbed.wire.frames import AnswerHead, ChunkedBody, FirstContent, FramingError

if TYPE_CHECKING:
    from muster.testbed.gateway.attempt import Attempt

HELD_BYTES_MAX = 1 << 20
WARMING_MAX = 4
"""Connections opened ahead of need at a time."""


class CountedBody:
    """A body of a known length."""

    __slots__ = ("_left", "excess")

    def __init__(self, size: int) -> None:
        self._left = size
        self.excess = False

    def feed(self, data: bytes) -> bool:
        """Whether `data` reaches the end."""
        self._left -= len(data)
        self.excess = self._left < 0
        return self._left <= 0


class UpstreamConnection(asyncio.Protocol):
    """One connection to one route; at most one attempt at a time."""

    __slots__ = (
        "_body",
        "_first",
        "_head",
        "_held",
        "answered",
        "attempt",
        "idle_since_s",
        "pool",
        "reused",
        "silent_s",
        "streaming",
        "transport",
    )

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.attempt: Attempt | None = None
        self.reused = False
        self.answered = False
        self.streaming = False
        self.silent_s = 0
        self.idle_since_s = 0.0
        self._head: AnswerHead | None = None
        self._body: ChunkedBody | CountedBody | None = None
        self._first: FirstContent | None = None
        self._held = b""

    def send(self, attempt: Attempt) -> None:
        """Send the request of `attempt`; its methods are called with what becomes of it."""
        self.attempt = attempt
        attempt.upstream = self
        self.answered = False
        self.streaming = False
        self.silent_s = 0
        self._head = None
        self._body = None
        self._first = None
        self._held = b""
        assert self.transport is not None
        body = attempt.body
        self.transport.write(
            b"%bx-request-id: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (self.pool.request_head, attempt.serial, len(body), body)
        )

    def abandon(self) -> None:
        """Nobody waits for the rest of this answer: the connection is closed at once."""
        self.attempt = None
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        attempt = self.attempt
        if attempt is None:
            self.abandon()
            return
        self.silent_s = 0
        try:
            if self.streaming:
                # The hot path: three calls a chunk.
                ended = self._body.feed(data)  # type: ignore[union-attr]
                attempt.forward(data)
                if ended:
                    self._ended(attempt)
            else:
                self._begin(attempt, data)
        except FramingError:
            self._lost()
            self.abandon()

    def _begin(self, attempt: Attempt, data: bytes) -> None:
        self.answered = True
        held = self._held + data if self._held else data
        if len(held) > HELD_BYTES_MAX:
            raise FramingError("an answer that never begins")
        if self._head is None:
            end = held.find(b"\r\n\r\n")
            if end < 0:
                self._held = held
                return
            head = AnswerHead(held[:end])
            data = held = held[end + 4 :]
            if head.status >= 500 or head.status < 200:
                self.attempt = None
                self.abandon()
                attempt.route_failed()
                return
            if head.chunked:
                self._body = ChunkedBody()
            elif head.content_bytes is not None:
                self._body = CountedBody(head.content_bytes)
            else:
                raise FramingError("a body without a length")
            self._head = head
            if attempt.stream and head.status == 200 and head.chunked:
                self._first = FirstContent()
        self._held = held
        assert self._body is not None
        ended = self._body.feed(data)
        if self._first is not None and not self._first.feed(data) and not ended:
            return
        self.streaming = True
        self._first = None
        self._held = b""
        attempt.begin(self._head, held)
        # `begin` may have found the client gone.
        if ended and self.attempt is attempt:
            self._ended(attempt)

    def _ended(self, attempt: Attempt) -> None:
        self.attempt = None
        head = self._head
        self._head = None
        self._body = None
        if head is not None and head.keep_alive and self.transport is not None:
            self.pool.give_back(self)
        else:
            self.abandon()
        attempt.completed()

    def _lost(self) -> None:
        attempt = self.attempt
        self.attempt = None
        if attempt is None:
            return
        if self.streaming:
            attempt.broken()
        else:
            attempt.route_lost(resend=self.reused and not self.answered)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        unpaced(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.pool.forget(self)
        self._lost()


class Pool:
    """The connections to one route. Idle ones are used last in, first out, so that spares age."""

    def __init__(
        self, address: tuple[str, int], connections_max: int, idle_s_max: float, warm: int = 0
    ) -> None:
        """`warm` connections are kept open, in use or not: see `warm_up`."""
        host, port = address
        self.address = address
        self.request_head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/json\r\n"
        ).encode()
        self.open = 0
        self._connections_max = connections_max
        self._idle_s_max = idle_s_max
        self._warm = warm
        self._idle: deque[UpstreamConnection] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def send(self, attempt: Attempt, *, fresh: bool = False) -> None:
        """Send on an idle connection, or on a new one when there is none or `fresh` asks for it."""
        idle = self._idle
        while idle and not fresh:
            connection = idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                connection.reused = True
                connection.send(attempt)
                return
        if self.open >= self._connections_max:
            self._loop.call_soon(attempt.route_lost_at, attempt.tries)
            return
        self._open(attempt, attempt.tries)

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose answer was read to its end."""
        connection.idle_since_s = time.monotonic()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection has closed. Among the idle it is skipped by `send`, and ages out."""
        self.open -= 1

    def sweep(self, now_s: float) -> None:
        """Close what has been idle for too long, but for the warm ones; forget what has closed."""
        idle = self._idle
        spare = self.open - self._warm
        while idle and now_s - idle[0].idle_since_s > self._idle_s_max:
            alive = idle[0].transport is not None
            if alive and spare <= 0:
                return
            spare -= alive
            idle.popleft().abandon()

    def cool_down(self) -> None:
        """Close one connection that nobody uses."""
        if self._idle:
            self._idle.popleft().abandon()

    def warm_up(self) -> None:
        """Open one connection ahead of need, while fewer than the warm ones are open."""
        if self.open < self._warm and len(self._opening) < WARMING_MAX:
            self._open(None, 0)

    def close(self) -> None:
        for task in self._opening:
            task.cancel()
        while self._idle:
            self._idle.pop().abandon()

    def _open(self, attempt: Attempt | None, tries: int) -> None:
        self.open += 1
        task = self._loop.create_task(self._connect(attempt, tries))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, attempt: Attempt | None, tries: int) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: UpstreamConnection(self), *self.address
            )
        except OSError:
            self.open -= 1
            if attempt is not None:
                attempt.route_lost_at(tries)
            return
        if attempt is not None and attempt.awaits(tries):
            if connection.transport is None:
                attempt.route_lost_at(tries)
            else:
                connection.send(attempt)
        elif connection.transport is not None:
            self.give_back(connection)
