"""Requests to the provider: HTTP/2 streams that share few connections to each route.

Everything before the first content is held back, so that a slow route can still be left without the
client having seen anything of it; from then on the body is passed on as it arrives.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from muster.machine import unpaced
from muster.testbed.wire import http2
from muster.testbed.wire.first_content import FirstContent
from muster.testbed.wire.http2_headers import Fields

HELD_BYTES_MAX = 1 << 20
OPENING_MAX = 4
"""Connections that are opened at a time, however many requests wait for one."""
OPEN_S_MAX = 10.0
PING_AFTER_S = 10
LOST_AFTER_S = 20
"""A connection with streams that has been silent for this long, with a ping unanswered, is given
up.
"""


class Answer:
    """The head of an answer: status, and the few headers that are passed on."""

    __slots__ = ("content_type", "processing_ms", "status")

    def __init__(self, fields: Fields) -> None:
        """Raises ValueError without a status."""
        known = dict(fields)
        self.status = int(known.get(b":status", b""))
        self.content_type = known.get(b"content-type", b"application/json")
        self.processing_ms = known.get(b"openai-processing-ms", b"0")


class Requester(Protocol):
    """The request that a stream carries; these methods report what happens to it."""

    stream: bool
    begun: bool
    body: bytes
    tries: int
    upstream: UpstreamStream | None

    def awaits(self, tries: int) -> bool:
        """Whether the connection requested in try number `tries` is still wanted."""

    def takes(self, status: int) -> bool:
        """Whether an answer of that status is passed on; if not, the other route is tried."""

    def takes_body(self, body: bytes) -> bool:
        """Whether a whole stream without content is passed on; if not, as above."""

    def begin(self, head: Answer, held: bytes, ended: bool) -> None:
        """The answer has begun: its head, and the body so far."""

    def forward(self, data: bytes, ended: bool) -> None:
        """A further piece of the body came."""

    def completed(self) -> None:
        """The body came to its end."""

    def broken(self) -> None:
        """The provider ended the stream in the middle of the body."""

    def route_failed(self) -> None:
        """The route refused, reset, or answered 429 or 5xx."""

    def route_lost(self, *, resend: bool) -> None:
        """The stream ended before anything of it arrived; `resend`: the route is not to blame."""

    def route_lost_at(self, tries: int) -> None:
        """Connecting for try number `tries` failed."""


class UpstreamStream(http2.Stream):
    """One request of one attempt."""

    __slots__ = ("_answer", "_first", "_held", "answered", "attempt", "connection", "silent_s")

    def __init__(self, connection: UpstreamConnection, attempt: Requester) -> None:
        super().__init__()
        self.connection = connection
        self.attempt: Requester | None = attempt
        self.answered = False
        self.silent_s = 0
        self._answer: Answer | None = None
        # Only streams may be passed on in parts before they are complete.
        self._first: FirstContent | None = FirstContent() if attempt.stream else None
        self._held = b""

    def abandon(self) -> None:
        """The rest of this answer is not needed."""
        self.attempt = None
        self.connection.give_up(self)

    def pause(self) -> None:
        """The client reads slowly: that slows its own stream down, and not the others."""
        self.connection.pause(self)

    def resume(self) -> None:
        self.connection.resume(self)

    def on_data(self, data: bytes, ended: bool) -> None:
        attempt = self.attempt
        if attempt is None:
            return
        self.silent_s = 0
        if attempt.begun:
            # The hot path.
            attempt.forward(data, ended)
            if ended:
                self._ended(attempt)
        else:
            self._begin(attempt, data, ended)

    def on_headers(self, fields: Fields, ended: bool) -> None:
        attempt = self.attempt
        if attempt is None:
            return
        self.silent_s = 0
        self.answered = self.connection.served = True
        if self._answer is not None:
            self.on_data(b"", ended)  # trailers
            return
        try:
            answer = Answer(fields)
        except ValueError:
            self._fail(attempt)
            return
        if 100 <= answer.status < 200:
            return  # an interim response: the answer is still to come
        if not attempt.takes(answer.status):
            self._fail(attempt)
            return
        self._answer = answer
        if answer.status != 200:
            self._first = None
        if ended:
            self._begin(attempt, b"", ended)

    def on_reset(self, code: int) -> None:
        self._lost(resend=code == http2.REFUSED_STREAM)

    def on_lost(self) -> None:
        # A kept connection that closed before the first byte says nothing about the route.
        self._lost(resend=self.connection.served and not self.answered)

    def _begin(self, attempt: Requester, data: bytes, ended: bool) -> None:
        self._held += data
        if self._answer is None or len(self._held) > HELD_BYTES_MAX:
            self._fail(attempt)
            return
        found = self._first is not None and self._first.feed(data)
        if not found and not ended:
            return
        if not found and self._first is not None and not attempt.takes_body(self._held):
            self._fail(attempt)
            return
        held, self._held = self._held, b""
        attempt.begin(self._answer, held, ended)
        # `begin` may have found that the client is gone.
        if ended and self.attempt is attempt:
            self._ended(attempt)

    def _ended(self, attempt: Requester) -> None:
        self.attempt = None
        attempt.completed()

    def _fail(self, attempt: Requester) -> None:
        self.abandon()
        attempt.route_failed()

    def _lost(self, *, resend: bool) -> None:
        attempt, self.attempt = self.attempt, None
        if attempt is None:
            return
        if attempt.begun:
            attempt.broken()
        else:
            attempt.route_lost(resend=resend)


class UpstreamConnection(http2.Connection):
    """One connection to one route."""

    __slots__ = ("idle_s", "pool", "served", "usable")

    def __init__(self, pool: Pool) -> None:
        super().__init__(client=True, settings={http2.ENABLE_PUSH: 0})
        self.pool = pool
        self.served = False
        self.usable = False
        """Whether the provider has sent its settings: a proxy also accepts for a provider that is
        down.
        """
        self.idle_s = 0

    def ask(self, attempt: Requester) -> None:
        """Send the request of `attempt`; its methods are called with what happens to it."""
        stream = UpstreamStream(self, attempt)
        attempt.upstream = stream
        self.begin(stream, self.pool.request)
        self.send_data(stream, attempt.body, end=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        unpaced(transport.get_extra_info("socket"))
        self.pool.made(self)
        super().connection_made(transport)

    def on_settings(self) -> None:
        if not self.usable:
            self.usable = True
            self.pool.opened(self)

    def on_leaving(self) -> None:
        self.pool.retire(self)

    def on_closed(self) -> None:
        self.pool.closed(self)


class Pool:
    """The connections to one route. The oldest with room is used first, so that spare ones become
    idle and close.
    """

    def __init__(self, address: tuple[str, int], connections_max: int, idle_s_max: float) -> None:
        host, port = address
        self.address = address
        self.request: Fields = (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/v1/chat/completions"),
            (b":authority", f"{host}:{port}".encode()),
            (b"content-type", b"application/json"),
        )
        self.open = 0
        self._connections_max = connections_max
        self._idle_s_max = idle_s_max
        self._usable: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[Requester, int]] = deque()
        self._streams_max = http2.STREAMS_ASSUMED
        self._loop = asyncio.get_running_loop()

    def send(self, attempt: Requester, *, fresh: bool = False) -> None:
        """Send on an open connection, or on a new one if none has room or `fresh` asks for it."""
        if not fresh:
            for connection in self._usable:
                if connection.has_room:
                    connection.ask(attempt)
                    return
        self._waiting.append((attempt, attempt.tries))
        self._open_more()

    def made(self, connection: UpstreamConnection) -> None:
        """A connection was accepted, maybe only by a proxy."""
        self._all.add(connection)

    def opened(self, connection: UpstreamConnection) -> None:
        """A connection can be used: waiting requests go first."""
        self._opening -= 1
        self._streams_max = max(1, connection.streams_max)
        self._usable.append(connection)
        waiting = self._waiting
        while waiting and connection.has_room:
            attempt, tries = waiting.popleft()
            if attempt.awaits(tries):
                connection.ask(attempt)
        self._open_more()

    def retire(self, connection: UpstreamConnection) -> None:
        """A connection takes no new streams; it closes once its own have ended."""
        if connection in self._usable:
            self._usable.remove(connection)

    def closed(self, connection: UpstreamConnection) -> None:
        """An established connection has closed."""
        self.open -= 1
        self._all.discard(connection)
        self.retire(connection)
        if not connection.usable:
            self._not_opened()

    def sweep(self) -> None:
        """Once a second: close what has idled for too long, and what does not answer a ping."""
        for connection in list(self._all):
            connection.silent_s += 1
            connection.idle_s = 0 if connection.streams else connection.idle_s + 1
            if not connection.usable:
                if connection.silent_s > OPEN_S_MAX:
                    connection.abort()
            elif connection.streams:
                if connection.silent_s > LOST_AFTER_S:
                    connection.abort()
                elif connection.silent_s == PING_AFTER_S:
                    connection.ping()
            elif connection.leaving or connection.idle_s > self._idle_s_max:
                self.retire(connection)
                connection.close()

    def close(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self._all):
            connection.close()

    def _open_more(self) -> None:
        while self._opening < OPENING_MAX and self._opening * self._streams_max < len(
            self._waiting
        ):
            if self.open >= self._connections_max:
                if not self._opening:
                    self._loop.call_soon(self._nobody_comes)
                return
            self.open += 1
            self._opening += 1
            task = self._loop.create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        connection = UpstreamConnection(self)
        try:
            async with asyncio.timeout(OPEN_S_MAX):
                await self._loop.create_connection(lambda: connection, *self.address)
        except OSError:  # TimeoutError is a subclass
            if connection not in self._all:  # else it is counted when it closes
                self.open -= 1
                self._not_opened()

    def _not_opened(self) -> None:
        self._opening -= 1
        if not self._opening:
            self._nobody_comes()

    def _nobody_comes(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for attempt, tries in waiting:
            attempt.route_lost_at(tries)
