"""The population of resolver caches, on a clock that the test holds, and real queries."""

from __future__ import annotations

import asyncio

import pytest
from dnslib import QTYPE, RR, A, DNSRecord
from load_peers import REGION, config, outcomes, peer, running, traffic, until

import muster.load.lookup
from muster.load.lookup import open_lookup
from muster.load.resolvers import Population, Resolved, caches_of_shard


class World:
    """A clock, a name server with one answer, and the counts."""

    def __init__(self, size=100, hold=0.0, ttl_s=5.0):
        self.t = 0.0
        self.answer = Resolved(("10.0.0.1",), ttl_s)
        self.queries = 0
        self.failures = 0
        self.delayed = []
        self.population = Population(
            size,
            hold,
            self,
            now_s=lambda: self.t,
            later=lambda delay_s, call: self.delayed.append((self.t + delay_s, call)),
            on_answer=lambda address: None,
            on_failure=self.failed,
        )

    def failed(self):
        self.failures += 1

    def ask(self, callback):
        self.queries += 1
        callback(self.answer)

    def use(self, cache):
        address = cache.address(self.t)
        got = []
        if address is None:
            cache.wait(self.t, got.append)
            address = got[0] if got else "pending"
        return address

    def advance(self, seconds):
        until_s = self.t + seconds
        while due := sorted((d for d in self.delayed if d[0] <= until_s), key=lambda d: d[0]):
            self.delayed.remove(due[0])
            self.t = due[0][0]
            due[0][1]()
        self.t = until_s


def test_each_cache_asks_once_a_ttl():
    """However often it is used, and never sooner than its own answer runs out."""
    world = World(size=10)
    for _ in range(50):
        for cache in world.population.caches:
            world.use(cache)
    assert world.queries == 10
    world.advance(4.9)
    world.use(world.population.caches[0])
    assert world.queries == 10
    world.advance(0.2)
    world.use(world.population.caches[0])
    assert world.queries == 11


def test_a_change_of_weights_spreads_over_one_ttl():
    """Caches that asked at different moments move one after the other, all within the TTL."""
    world = World(size=50)
    caches = world.population.caches
    for cache in caches:
        world.use(cache)
        world.advance(0.1)
    world.answer = Resolved(("10.0.0.2",), 5.0)
    moved = []
    for _ in range(10):
        world.advance(0.5)
        moved.append(sum(world.use(cache) == "10.0.0.2" for cache in caches))
    assert moved == sorted(moved)
    assert 0 < moved[4] < 50
    assert moved[-1] == 50


def test_a_cache_that_holds_keeps_its_address_until_it_fails_or_is_closed():
    """Clients that keep a connection past the TTL: the stated share, and no other."""
    world = World(size=10, hold=0.3)
    caches = world.population.caches
    for cache in caches:
        world.use(cache)
    world.answer = Resolved(("10.0.0.2",), 5.0)
    world.advance(60)
    assert [world.use(c) for c in caches].count("10.0.0.1") == 3
    for cache in caches:
        cache.released("10.0.0.1")
    assert {world.use(c) for c in caches} == {"10.0.0.2"}


def test_a_dead_name_server_gives_up_and_is_asked_again():
    """Failures are counted with backoff; the waiting client gets none, a later one an address."""
    world = World(size=1)
    good, world.answer = world.answer, None
    cache = world.population.caches[0]
    got = []
    cache.wait(world.t, got.append)
    world.advance(5)
    assert got == [None]
    assert 3 <= world.failures <= 6
    world.answer = good
    assert world.use(cache) == "10.0.0.1"


def test_the_shards_share_the_caches():
    """1,000 over all shards."""
    for shards in (1, 2, 3, 7):
        assert sum(caches_of_shard(1000, k, shards) for k in range(shards)) == 1000


class Server(asyncio.DatagramProtocol):
    """A name server that answers 127.0.0.1 with a TTL of 1 s."""

    def __init__(self):
        self.queries = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.queries += 1
        reply = DNSRecord.parse(data).reply()
        reply.add_answer(RR("chat.muster.test", QTYPE.A, rdata=A("127.0.0.1"), ttl=1))
        self.transport.sendto(reply.pack(), addr)


def test_every_cache_asks_the_server_that_was_given():
    """One real query a cache and TTL, and streams to the address that it said."""

    async def body():
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        lookup = await open_lookup(
            "chat.muster.test", ("127.0.0.1", transport.get_extra_info("sockname")[1]), loop
        )
        try:
            async with peer() as one:
                given = config(one.port, traffic=traffic(resolver_caches=20))
                async with running(given, lookup) as engine:
                    await until(lambda: engine.tally.dns_answers[REGION] >= 30)
                    assert set(outcomes(engine)) == {"success"}
                    assert server.queries < engine.tally.offered
        finally:
            lookup.close()
            transport.close()

    asyncio.run(body())


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_without_dns_attempts_are_refused(kind):
    """No address is a refused attempt in no region, not a crash and not a silence."""

    async def body():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        if kind == "closed":
            transport.close()
            await asyncio.sleep(0)
        lookup = await open_lookup("chat.muster.test", ("127.0.0.1", port), loop)
        try:
            async with running(config(1), lookup) as engine:
                await until(lambda: engine.tally.attempts["unknown", "refused", "scheduled"] > 5)
                assert engine.tally.dns_failures > 0
        finally:
            lookup.close()
            transport.close()

    asyncio.run(body())


def test_each_question_has_its_own_time(monkeypatch):
    """One timer serves all questions, and a later one is not given up with an earlier one."""
    monkeypatch.setattr(muster.load.lookup, "QUERY_TIMEOUT_S", 0.1)

    async def body():
        loop = asyncio.get_running_loop()
        silent, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        port = silent.get_extra_info("sockname")[1]
        lookup = await open_lookup("chat.muster.test", ("127.0.0.1", port), loop)
        waited_s = []
        over = asyncio.Event()

        def ask():
            asked_s = loop.time()

            def failed(resolved):
                assert resolved is None
                waited_s.append(loop.time() - asked_s)
                if len(waited_s) == 3:
                    over.set()

            lookup.ask(failed)

        try:
            ask()
            loop.call_later(0.04, ask)
            loop.call_later(0.08, ask)
            async with asyncio.timeout(10):
                await over.wait()
            assert min(waited_s) >= 0.099
        finally:
            lookup.close()
            silent.close()

    asyncio.run(body())
