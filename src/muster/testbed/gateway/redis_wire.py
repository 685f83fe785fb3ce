"""A Redis connection for admission: pipelined, with time-outs, and informed at once if Redis is
away.

Every command used answers with one line (an integer, a status or an error), so a reply is a line
and splitting is the whole parser. redis-py's asyncio client needs a coroutine, a lock and a pool
for each command, which is several times the 50 us that a whole request may cost here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from muster.machine import unpaced

BACKOFF_S = (0.05, 1.0)


class Waiting(Protocol):
    """Receives a reply."""

    def replied(self, number: int) -> None:
        """The script's answer."""

    def unanswered(self) -> None:
        """Redis went away, or was too slow, before it answered."""

    def forgotten(self) -> None:
        """Redis has lost the script (NOSCRIPT): send the whole script."""


class RedisWire:
    """One connection, reopened with backoff and jitter. `up` only after a PING's answer.

    `refuses`: what cannot be asked is to be refused; only a planted defect does so.
    """

    refuses = False

    def __init__(
        self,
        address: tuple[str, int],
        timeout_s: float,
        on_change: Callable[[bool], None],
        preamble: bytes,
    ) -> None:
        """`preamble` is a command sent right after the first PING; its reply is dropped."""
        self.up = False
        self._address = address
        self._timeout_s = timeout_s
        self._on_change = on_change
        self._preamble = preamble
        self._link: Link | None = None
        self._outgoing: list[bytes] = []
        self._flush_due = False
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._keep_connected())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._link is not None:
            self._link.abort()

    def send(self, command: bytes, waiting: Waiting) -> None:
        """Queue a command; all commands of one round of the loop leave in one write. Only while
        `up`.
        """
        link = self._link
        assert link is not None
        link.pending.append((waiting, time.monotonic()))
        self._outgoing.append(command)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def waits(self) -> bool:
        """Whether an answer is under way."""
        link = self._link
        return link is not None and bool(link.pending)

    def check(self, now_s: float, lag_s: float) -> None:
        """Give the connection up if its oldest command waits too long.

        The loop's own lateness is not Redis's: `lag_s` is added to the limit.
        """
        link = self._link
        if link is None or not link.pending:
            return
        if now_s - link.pending[0][1] > self._timeout_s + lag_s:
            link.abort()

    def flush(self) -> None:
        """Write what is queued."""
        self._flush_due = False
        commands, self._outgoing = self._outgoing, []
        link = self._link
        if link is not None and link.transport is not None:
            link.transport.write(b"".join(commands))

    async def _keep_connected(self) -> None:
        wait_s = BACKOFF_S[0]
        while True:
            link = Link(self)
            try:
                async with asyncio.timeout(self._timeout_s * 4):
                    await self._loop.create_connection(partial(_same, link), *self._address)
                async with asyncio.timeout(self._timeout_s):
                    await link.greet(self._preamble)
            except (OSError, TimeoutError):
                link.abort()
            else:
                wait_s = BACKOFF_S[0]
                await link.lost.wait()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))
            wait_s = min(BACKOFF_S[1], wait_s * 2)

    def connected(self, link: Link) -> None:
        self._link = link
        self._outgoing.clear()
        self.up = True
        self._on_change(True)

    def failed(self, line: bytes) -> None:
        """Redis answered with an error, before anything is done about it."""

    def disconnected(self, link: Link) -> None:
        if self._link is not link:
            return
        self._link = None
        self.up = False
        self._outgoing.clear()
        self._on_change(False)
        for waiting, _ in link.pending:
            waiting.unanswered()
        link.pending.clear()


def _same(link: Link) -> Link:
    return link


class Link(asyncio.Protocol):
    """One TCP connection to Redis."""

    def __init__(self, wire: RedisWire) -> None:
        self.wire = wire
        self.transport: asyncio.Transport | None = None
        self.pending: deque[tuple[Waiting, float]] = deque()
        self.lost = asyncio.Event()
        self._greeting: asyncio.Future[None] | None = None
        self._rest = b""

    async def greet(self, preamble: bytes) -> None:
        """Wait for PING and preamble to be answered. Raises ConnectionError."""
        if self.transport is None:
            raise ConnectionError("lost")
        self._greeting = asyncio.get_running_loop().create_future()
        self.transport.write(b"*1\r\n$4\r\nPING\r\n" + preamble)
        await self._greeting
        self._greeting = None
        self.wire.connected(self)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        self._gone()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        unpaced(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\r\n")
        self._rest = lines.pop()
        if self.transport is None:
            return
        if self._greeting is not None:
            self._greeted(lines)
            return
        pending = self.pending
        for line in lines:
            if line.startswith(b"-"):
                self.wire.failed(line)
            if line.startswith(b"-NOSCRIPT") and pending:
                pending.popleft()[0].forgotten()
                continue
            if not line.startswith(b":") or not pending:
                # An error (loading, out of memory) or a reply out of step: reconnect. Waiting
                # requests are decided without Redis.
                self.abort()
                return
            pending.popleft()[0].replied(int(line[1:]))

    def _greeted(self, lines: list[bytes]) -> None:
        greeting = self._greeting
        if greeting is None or greeting.done():
            return
        text = b"\n".join(lines)
        if b"-" in text[:1] or b"\n-" in text:
            greeting.set_exception(ConnectionError(text.decode(errors="replace")))
        elif text.startswith(b"+PONG") and text.count(b"\n") >= 2:
            greeting.set_result(None)
        else:
            self._rest = b"".join(line + b"\r\n" for line in lines) + self._rest

    def _gone(self) -> None:
        self.transport = None
        if self._greeting is not None and not self._greeting.done():
            self._greeting.set_exception(ConnectionError("lost"))
        self.lost.set()
        self.wire.disconnected(self)


def command(*parts: str | bytes | int) -> bytes:
    """A Redis command in its wire format."""
    encoded = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(encoded) + b"".join(
        b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded
    )
