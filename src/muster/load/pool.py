"""Keep-alive connections by address, and the protocol that carries one attempt at a time.

The connection that came back last is used first, so that surplus connections become idle. No
connection stays idle longer than `idle_s_max`, and a region that DNS no longer names loses its
pool. A connection that the peer closed while idle stays listed until it is taken or swept, because
thousands may close at once.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from typing import Any, Protocol

from muster.load.wire import Answer, WireError
from muster.machine import unpaced

IDLE_MAX = 20_000
"""At most this many idle connections for each shard."""


class Exchange(Protocol):
    """Callbacks from a connection to the attempt that uses it."""

    keeps: bool
    """Whether the body of a 2xx answer is needed too."""

    def moved(self, answer: Answer) -> None:
        """Bytes arrived; the flags of `answer` show its progress."""

    def went_on(self) -> None:
        """One more plain event of the stream arrived."""

    def lost(self, answer: Answer, reused: bool, error: Exception | None) -> None:
        """The connection ended before the answer did."""


class Connection(asyncio.Protocol):
    """One connection. It carries at most one exchange at a time."""

    __slots__ = ("address", "answer", "exchange", "idle_since_s", "pool", "transport", "uses")

    def __init__(self, pool: Pool, address: str) -> None:
        self.pool = pool
        self.address = address
        self.transport: Any = None
        self.exchange: Exchange | None = None
        self.answer = Answer()
        self.uses = 0
        self.idle_since_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.pool.open.add(self)
        if self.address.startswith("127."):
            unpaced(transport.get_extra_info("socket"))

    def send(self, exchange: Exchange, request: bytes) -> None:
        """Start an exchange."""
        self.exchange = exchange
        self.answer = Answer(keep=exchange.keeps)
        self.uses += 1
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # an idle connection that talks cannot be used again
            self.close()
            return
        answer = self.answer
        try:
            if not answer.feed(data):
                exchange.went_on()
                return
        except WireError as error:
            if not answer.complete:
                self._lose(error)
                return
            answer.keep_alive = False
        exchange.moved(answer)

    def eof_received(self) -> bool:
        exchange = self.exchange
        if exchange is not None:
            self.answer.eof()
            if self.answer.complete:
                exchange.moved(self.answer)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.pool.open.discard(self)
        self._lose(exc)

    def _lose(self, error: Exception | None) -> None:
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            exchange.lost(self.answer, self.uses > 1, error)

    def release(self, now_s: float) -> None:
        """End the exchange: give the connection back, or close it if the answer requires that."""
        self.exchange = None
        if self.answer.complete and self.answer.keep_alive and not self.transport.is_closing():
            self.idle_since_s = now_s
            self.pool.give_back(self)
        else:
            self.close()

    def drop(self) -> None:
        """Close it at once, whatever is in progress; the exchange gets no callback."""
        self.exchange = None
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


class Pool:
    """Idle connections by address, and a way to open another."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: int,
        tls_host: str | None,
        idle_s_max: float,
        connect_s_max: float,
    ) -> None:
        self.open: set[Connection] = set()
        self._loop = loop
        self._port = port
        self._tls_host = tls_host
        self._tls = ssl.create_default_context() if tls_host else None
        self._idle_s_max = idle_s_max
        self._connect_s_max = connect_s_max
        self._idle: defaultdict[str, deque[Connection]] = defaultdict(deque)
        self._idle_count = 0

    def take(self, address: str) -> Connection | None:
        """An idle connection to `address`, or None."""
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if not connection.transport.is_closing():
                return connection
        return None

    async def connect(self, address: str) -> Connection:
        """Open a new connection. Raises OSError or TimeoutError (after `connect_s_max`)."""
        async with asyncio.timeout(self._connect_s_max):
            _, connection = await self._loop.create_connection(
                lambda: Connection(self, address),
                address,
                self._port,
                ssl=self._tls,
                server_hostname=self._tls_host,
            )
        return connection

    def give_back(self, connection: Connection) -> None:
        if self._idle_count >= IDLE_MAX:
            connection.close()
            return
        self._idle[connection.address].append(connection)
        self._idle_count += 1

    def sweep(self, now_s: float) -> None:
        """Close connections that were idle for too long; the oldest come first."""
        for idle in self._idle.values():
            while idle and now_s - idle[0].idle_since_s > self._idle_s_max:
                self._idle_count -= 1
                idle.popleft().close()

    def drop_all(self) -> None:
        for connection in list(self.open):
            connection.drop()
        self._idle.clear()
        self._idle_count = 0
