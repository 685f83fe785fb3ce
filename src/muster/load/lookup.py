"""DNS queries for the addresses of one name, to a given server or the system's resolver.

Nothing is cached here (see `resolvers`); `dns_answer` reads the answers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from dnslib import DNSRecord

from muster.load.dns_answer import (
    CHAIN_MAX,
    FAMILIES,
    Said,
    families_here,
    plain_address,
    read_answer,
)
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
                found = await self._loop.getaddrinfo(
                    self._host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
                )
            resolved = _of_system(str(entry[4][0]) for entry in found)
        except (OSError, TimeoutError):
            resolved = None
        self._task = None
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(resolved)


@dataclass
class _Asking:
    """One query of a resolver cache: number of pending answers, and answers by address family."""

    callback: Callback
    awaited: int
    came: dict[str, Said] = field(default_factory=dict)


@dataclass(frozen=True)
class _Query:
    """One query on the wire: `hops` CNAME records led to `name`, valid for `ttl_s`."""

    asking: _Asking
    family: str
    name: str
    hops: int
    ttl_s: float
    until_s: float


class ServerLookup(asyncio.DatagramProtocol):
    """Queries one server over UDP; no answer after QUERY_TIMEOUT_S is a failure.

    A query ends when each address family has an answer: the result has the addresses of the
    preferred family, and those of the other family as second addresses.
    """

    def __init__(
        self, host: str, loop: asyncio.AbstractEventLoop, families: tuple[str, ...]
    ) -> None:
        self._loop = loop
        self._host = host
        self._families = families
        self._questions: dict[tuple[str, str], bytes] = {}
        self._pending: dict[int, _Query] = {}  # oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._ids = random.Random()
        self._read: dict[tuple[str, bytes], Said | None] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is no subclass

    def ask(self, callback: Callback) -> None:
        asking = _Asking(callback, len(self._families))
        for family in self._families:
            self._send(asking, family, self._host, 0, float("inf"))

    def _send(self, asking: _Asking, family: str, name: str, hops: int, ttl_s: float) -> None:
        number = self._ids.getrandbits(16)
        while number in self._pending:
            number = self._ids.getrandbits(16)
        until_s = self._loop.time() + QUERY_TIMEOUT_S
        self._pending[number] = _Query(asking, family, name, hops, ttl_s, until_s)
        if self._timer is None:
            self._timer = self._loop.call_later(QUERY_TIMEOUT_S, self._time_out)
        question = self._questions.get((name, family))
        if question is None:
            question = bytes(DNSRecord.question(name, family).pack())[2:]
            if len(self._questions) < ANSWERS_KEPT_MAX:
                self._questions[name, family] = question
        if self._transport is not None:
            self._transport.sendto(number.to_bytes(2, "big") + question)

    def datagram_received(self, data: bytes, addr: object) -> None:
        number = int.from_bytes(data[:2], "big")
        query = self._pending.get(number)
        if query is None:
            return
        # The server repeats its answers except for the id: each answer is parsed once.
        key = (query.name, data[2:])
        if key not in self._read:
            if len(self._read) >= ANSWERS_KEPT_MAX:
                self._read.clear()
            self._read[key] = read_answer(data, query.name, query.family)
        self._end(number, self._read[key])

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

    def _end(self, number: int, said: Said | None) -> None:
        query = self._pending.pop(number, None)
        if query is None:
            return
        asking = query.asking
        if said is not None:
            hops, ttl_s = query.hops + said.hops, min(query.ttl_s, said.ttl_s)
            if said.asks is not None and hops <= CHAIN_MAX:
                self._send(asking, query.family, said.asks, hops, ttl_s)
                return
            if (said.addresses or said.negative) and hops <= CHAIN_MAX:
                asking.came[query.family] = Said(said.addresses, ttl_s, negative=said.negative)
        asking.awaited -= 1
        if not asking.awaited:
            asking.callback(_resolved(asking.came, len(self._families)))

    def _time_out(self) -> None:
        # One timer for all queries: a timer for each query costs as much as the query.
        self._timer = None
        now_s = self._loop.time()
        due = [number for number, query in self._pending.items() if query.until_s <= now_s]
        for number in due:
            self._end(number, None)
        if self._pending and self._timer is None:
            until_s = next(iter(self._pending.values())).until_s
            self._timer = self._loop.call_at(until_s, self._time_out)


def _of_system(addresses: Iterable[str]) -> Resolved | None:
    """Addresses of the first one's family, then the others; the resolver sorts by preference."""
    every = tuple(dict.fromkeys(plain_address(one) for one in addresses))
    first = tuple(one for one in every if (":" in one) == (":" in every[0]))
    others = tuple(one for one in every if one not in first)
    return Resolved(first, SYSTEM_TTL_S, others) if every else None


def _resolved(came: Mapping[str, Said], asked: int) -> Resolved | None:
    """The addresses of all families with an answer, the preferred family first.

    None of any family is an answer too, if each was told to hold for a while.
    """
    found = [came[family] for family in FAMILIES if family in came and came[family].addresses]
    if not found:
        none_s = [said.ttl_s for said in came.values()]
        return Resolved((), min(none_s)) if none_s and len(none_s) == asked else None
    others = tuple(address for one in found[1:] for address in one.addresses)
    return Resolved(found[0].addresses, min(one.ttl_s for one in found), others)


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
    families = families_here(server[0])
    _, protocol = await loop.create_datagram_endpoint(
        lambda: ServerLookup(host, loop, families), remote_addr=server
    )
    return protocol
