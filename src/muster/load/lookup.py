"""DNS queries for one name's addresses, to a given server or through the system's resolver.

dnslib encodes the question and decodes the answer; nothing is cached here (see `resolvers`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Callable
from typing import cast

from dnslib import QTYPE, DNSError, DNSRecord

from muster.load.resolvers import Lookup, Resolved

QUERY_TIMEOUT_S = 1.0
ANSWERS_KEPT_MAX = 256
SYSTEM_TTL_S = 5.0
"""The system's resolver gives no TTL: its answers are used for this long, in seconds."""

Callback = Callable[[Resolved | None], None]


class LiteralLookup:
    """The host is an address: no query is needed."""

    def __init__(self, address: str) -> None:
        self._resolved = Resolved((address,), float("inf"))

    def ask(self, callback: Callback) -> None:
        callback(self._resolved)


class SystemLookup:
    """The system's resolver, one query at a time for all callers."""

    def __init__(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._callbacks: list[Callback] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self, callback: Callback) -> None:
        self._callbacks.append(callback)
        if self._task is None:
            self._task = self._loop.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(10 * QUERY_TIMEOUT_S):
                found = await self._loop.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
            resolved = Resolved(addresses, SYSTEM_TTL_S)
        except (OSError, TimeoutError):
            resolved = None
        self._task = None
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(resolved)


class ServerLookup(asyncio.DatagramProtocol):
    """Queries A records over UDP from one server; no answer after QUERY_TIMEOUT_S is a failure."""

    def __init__(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._question = bytes(DNSRecord.question(host).pack())
        self._pending: dict[int, tuple[Callback, float]] = {}  # oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._ids = random.Random()
        self._read: dict[bytes, Resolved | None] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is no subclass

    def ask(self, callback: Callback) -> None:
        number = self._ids.getrandbits(16)
        while number in self._pending:
            number = self._ids.getrandbits(16)
        self._pending[number] = (callback, self._loop.time() + QUERY_TIMEOUT_S)
        if self._timer is None:
            self._timer = self._loop.call_later(QUERY_TIMEOUT_S, self._time_out)
        if self._transport is not None:
            self._transport.sendto(number.to_bytes(2, "big") + self._question[2:])

    def datagram_received(self, data: bytes, addr: object) -> None:
        number = int.from_bytes(data[:2], "big")
        if number not in self._pending:
            return
        # The server repeats its answers except for the id: each answer is parsed once.
        said = data[2:]
        if said not in self._read:
            if len(self._read) >= ANSWERS_KEPT_MAX:
                self._read.clear()
            self._read[said] = _parsed(data)
        self._end(number, self._read[said])

    def error_received(self, exc: Exception) -> None:
        """The port is closed: every query in progress has failed."""
        for number in list(self._pending):
            self._end(number, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._pending.clear()
        if self._transport is not None:
            self._transport.close()

    def _end(self, number: int, resolved: Resolved | None) -> None:
        entry = self._pending.pop(number, None)
        if entry is not None:
            entry[0](resolved)

    def _time_out(self) -> None:
        # One timer for all queries: a timer for each query costs as much as the query.
        self._timer = None
        now_s = self._loop.time()
        due = [number for number, (_, until_s) in self._pending.items() if until_s <= now_s]
        for number in due:
            self._end(number, None)
        if self._pending and self._timer is None:
            _, until_s = next(iter(self._pending.values()))
            self._timer = self._loop.call_at(until_s, self._time_out)


def _parsed(data: bytes) -> Resolved | None:
    """The A records of an answer; None if it has none or is invalid."""
    try:
        found = [rr for rr in DNSRecord.parse(data).rr if rr.rtype == QTYPE.A]
    except (DNSError, ValueError, IndexError):
        return None
    if not found:
        return None
    return Resolved(tuple(str(rr.rdata) for rr in found), float(min(rr.ttl for rr in found)))


async def open_lookup(
    host: str, server: tuple[str, int] | None, loop: asyncio.AbstractEventLoop
) -> Lookup:
    """Return the lookup for `host`."""
    try:
        return LiteralLookup(str(ipaddress.ip_address(host)))
    except ValueError:
        pass
    if server is None:
        return SystemLookup(host, loop)
    _, protocol = await loop.create_datagram_endpoint(
        lambda: ServerLookup(host, loop), remote_addr=server
    )
    return protocol
