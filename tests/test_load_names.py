"""The public name as clients meet it: aliases, both families, and a second address."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord
from load_peers import REGION, config, outcomes, peer, running, streaming, traffic, until
from test_load_resolvers import World

import muster.load.dns_answer
from muster.load.dns_answer import CHAIN_MAX, NOTHING, Said, families_here, read_answer
from muster.load.lookup import ServerLookup, _of_system
from muster.load.resolvers import Resolved

NAME = "chat.muster.test"
CLASSES = {"A": A, "AAAA": AAAA, "CNAME": CNAME}


def reply_to(query: DNSRecord, *records, rcode=0):
    """`records`: (name, kind, value, ttl)."""
    reply = query.reply()
    reply.header.rcode = rcode
    for name, kind, value, ttl in records:
        reply.add_answer(RR(name, getattr(QTYPE, kind), rdata=CLASSES[kind](value), ttl=ttl))
    return reply


def said(*records, family="A", name=NAME, rcode=0):
    query = DNSRecord.question(name, family)
    return read_answer(reply_to(query, *records, rcode=rcode).pack(), name, family)


def chain(length, end=("A", "10.0.0.1")):
    names = [NAME, *(f"n{number}.test" for number in range(length))]
    found = [(one, "CNAME", other, 30) for one, other in pairwise(names)]
    return [*found, (names[-1], *end, 60)] if end else found


def test_addresses_of_the_name_itself():
    """Of the family that was asked for, each once, for the shortest of their times."""
    records = [
        (NAME, "A", "10.0.0.1", 60), (NAME, "A", "10.0.0.2", 20), (NAME, "A", "10.0.0.1", 60),
        ("other.test", "A", "10.9.9.9", 5), (NAME, "AAAA", "2001:DB8:0::1", 5),
    ]  # fmt: skip
    assert said(*records) == Said(("10.0.0.1", "10.0.0.2"), 20)
    assert said(*records, family="AAAA") == Said(("2001:db8::1",), 5)


@pytest.mark.parametrize("length", [1, 3, CHAIN_MAX])
def test_aliases_in_one_answer_are_followed(length):
    """To the address, for the shortest time on the way."""
    assert said(*chain(length)) == Said(("10.0.0.1",), 30, None, length)
    assert said(*reversed(chain(length))).addresses == ("10.0.0.1",)


def test_the_last_alias_of_an_answer_is_asked_for():
    """As a resolver does where the server of one zone does not know the other's."""
    assert said(*chain(2, end=None)) == Said((), 30, "n1.test", 2)


def test_aliases_that_go_round_or_on_and_on_have_no_address():
    """Bounded, however the records are made."""
    for records in (chain(CHAIN_MAX + 1), [(NAME, "CNAME", NAME, 5)], chain(60)):
        found = said(*records)
        assert not found.addresses
        assert found.asks is None


def test_no_such_name_is_an_answer_and_a_failure_is_none():
    """Only the server's own failure is unknown."""
    assert said(rcode=RCODE.NXDOMAIN) == NOTHING
    assert said() == NOTHING
    assert said(rcode=RCODE.SERVFAIL) is None
    assert said(rcode=RCODE.REFUSED) is None
    assert read_answer(b"\x00\x01garbage", NAME, "A") is None


class Server(asyncio.DatagramProtocol):
    """Answers from `zone`: (name, family) -> records, or the number of a failure."""

    def __init__(self, zone):
        self.zone = zone
        self.asked = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        query = DNSRecord.parse(data)
        key = (str(query.q.qname).rstrip("."), QTYPE[query.q.qtype])
        self.asked.append(key)
        found = self.zone.get(key, ())
        failed = isinstance(found, int)
        reply = reply_to(query, *(() if failed else found), rcode=found if failed else 0)
        self.transport.sendto(reply.pack(), addr)


def looked_up(zone, families=("AAAA", "A"), times=1):
    """What the lookup says, and what the server was asked."""

    async def body():
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(
            lambda: Server(zone), local_addr=("127.0.0.1", 0)
        )
        _, lookup = await loop.create_datagram_endpoint(
            lambda: ServerLookup(NAME, loop, families),
            remote_addr=transport.get_extra_info("sockname"),
        )
        try:
            found = []
            for _ in range(times):
                came = loop.create_future()
                lookup.ask(came.set_result)
                async with asyncio.timeout(10):
                    found.append(await came)
            return found, server.asked
        finally:
            lookup.close()
            transport.close()

    return asyncio.run(body())


V4, V6 = (NAME, "A", "10.0.0.1", 60), (NAME, "AAAA", "2001:db8::1", 20)


@pytest.mark.parametrize(
    ("v6", "v4", "found"),
    [
        ([V6], [V4], Resolved(("2001:db8::1",), 20, ("10.0.0.1",))),
        ([], [V4], Resolved(("10.0.0.1",), 60)),
        (RCODE.SERVFAIL, [V4], Resolved(("10.0.0.1",), 60)),
        ([V6], RCODE.REFUSED, Resolved(("2001:db8::1",), 20)),
        ([], [], None),
        (RCODE.SERVFAIL, RCODE.SERVFAIL, None),
    ],
)
def test_both_families_are_asked_and_ipv6_is_preferred(v6, v4, found):
    """The other family's addresses are second ones; what has none is a failure."""
    told, asked = looked_up({(NAME, "AAAA"): v6, (NAME, "A"): v4})
    assert told == [found]
    assert sorted(asked) == [(NAME, "A"), (NAME, "AAAA")]


def test_a_family_that_this_machine_cannot_reach_is_not_asked_for():
    """Nor used."""
    told, asked = looked_up({(NAME, "AAAA"): [V6], (NAME, "A"): [V4]}, families=("A",))
    assert told == [Resolved(("10.0.0.1",), 60)]
    assert asked == [(NAME, "A")]


def test_aliases_over_several_answers_are_followed_within_the_bound():
    """One question after the other, at most so many; the shortest time counts."""
    zone = {(one[0], "A"): [one] for one in chain(3)}
    told, asked = looked_up(zone, families=("A",), times=2)
    assert told == [Resolved(("10.0.0.1",), 30)] * 2
    assert len(asked) == 8
    endless = {(one[0], "A"): [one] for one in chain(CHAIN_MAX + 5)}
    told, asked = looked_up(endless, families=("A",))
    assert told == [None]
    assert len(asked) == CHAIN_MAX + 1
    told, asked = looked_up({(NAME, "A"): [(NAME, "CNAME", NAME, 5)]}, families=("A",))
    assert told == [None]


@pytest.mark.parametrize(
    ("routes", "server", "families"),
    [
        ({"A"}, None, ("A",)),
        ({"AAAA"}, None, ("AAAA",)),
        ({"A", "AAAA"}, None, ("AAAA", "A")),
        (set(), None, ("AAAA", "A")),
        (set(), "127.0.0.1", ("A",)),
        ({"AAAA"}, "127.0.0.1", ("AAAA", "A")),
        ({"A"}, "::1", ("AAAA", "A")),
        ({"A"}, "ns.test", ("A",)),
    ],
)
def test_the_families_are_those_with_a_route(monkeypatch, routes, server, families):
    """And that of the name server; without any route both, as getaddrinfo does."""
    monkeypatch.setattr(muster.load.dns_answer, "_has_route", routes.__contains__)
    assert families_here(server) == families


def test_the_systems_resolver_sorts_and_the_load_keeps_its_order():
    """The first one's family is preferred."""
    found = _of_system(["2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.1"])
    assert found.addresses == ("2001:db8::1", "2001:db8::2")
    assert found.others == ("10.0.0.1",)
    assert _of_system([]) is None


def test_a_second_address_is_another_one_until_all_have_failed():
    """Once each an answer: a lost region is not tried twice by every attempt."""
    world = World(size=1)
    world.answer = Resolved(("10.0.0.1", "10.0.0.2"), 5.0, ("2001:db8::1",))
    cache = world.population.caches[0]
    world.use(cache)
    assert cache.second("10.0.0.1") == "10.0.0.2"
    assert cache.second("10.0.0.1") == "10.0.0.2"
    assert cache.second("10.0.0.2") == "2001:db8::1"
    assert cache.second("2001:db8::1") is None
    assert cache.second("10.0.0.1") is None
    world.advance(6)
    world.use(cache)
    assert cache.second("10.0.0.1") == "10.0.0.2"


def test_an_address_of_an_older_answer_names_a_second_one_too():
    """It is none of the present answer's, whose addresses all stand."""
    world = World(size=1)
    cache = world.population.caches[0]
    world.use(cache)
    assert cache.second("10.9.9.9") == "10.0.0.1"


class Answers:
    """A lookup with one answer."""

    def __init__(self, *addresses, others=()):
        self.resolved = Resolved(addresses, 60.0, others)

    def ask(self, callback):
        callback(self.resolved)


DEAD = "127.0.0.9"
REGIONS = {"127.0.0.1": REGION, DEAD: "dead-1"}


def run(lookup, enough, **changes):
    async def body():
        async with peer(streaming) as one:
            given = config(one.port, regions_by_address=REGIONS, **changes)
            async with running(given, lookup) as engine:
                await until(lambda: enough(engine))
                return engine

    return asyncio.run(body())


def test_an_attempt_whose_first_address_is_dead_goes_to_the_second():
    """It succeeds there, in that region, and the dead address is counted."""
    engine = run(
        Answers(DEAD, others=("127.0.0.1",)),
        lambda engine: engine.tally.attempts[REGION, "success", "scheduled"] > 5,
    )
    assert set(outcomes(engine)) == {"success"}
    assert engine.tally.dead_addresses["dead-1"] >= 5
    assert engine.tally.dead_addresses[REGION] == 0
    assert not any(n for (region, *_), n in engine.tally.attempts.items() if region == "dead-1")


def test_an_attempt_whose_addresses_are_all_dead_is_refused():
    """Once, in the region that it tried last; and then no second one is tried."""
    engine = run(
        Answers(DEAD, "127.0.0.8"),
        lambda engine: sum(engine.tally.attempts.values()) > 20,
        traffic=traffic(resolver_caches=1),
    )
    assert set(outcomes(engine)) == {"refused"}
    assert sum(engine.tally.dead_addresses.values()) <= 2


def test_one_address_is_tried_once():
    """Nobody asks the same one twice for one attempt."""
    engine = run(Answers(DEAD), lambda engine: sum(engine.tally.attempts.values()) > 5)
    assert set(outcomes(engine)) == {"refused"}
    assert sum(engine.tally.dead_addresses.values()) == 0


def test_streams_go_over_ipv6_and_their_region_is_known_however_it_is_written():
    """An address has many forms, and one region."""

    async def body():
        async with peer(streaming) as one:
            server = await asyncio.start_server(one.handle, "::1", 0)
            port = server.sockets[0].getsockname()[1]
            given = config(port, regions_by_address={"0:0:0:0:0:0:0:1": REGION})
            try:
                async with running(given, Answers("::1")) as engine:
                    await until(lambda: engine.tally.attempts[REGION, "success", "scheduled"] > 5)
            finally:
                server.close()

    asyncio.run(body())
