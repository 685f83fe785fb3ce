"""A name server told to fail, and resolvers that keep what it says: late, stale, empty."""

from __future__ import annotations

import asyncio

import dnslib
import pytest
from test_dns_server import run, until, zone
from test_load_resolvers import World

from muster.load.dns_answer import read_answer
from muster.load.resolvers import Resolved
from muster.testbed.dns.server import LONG_NEGATIVE_TTL_S, NameServer
from muster.testbed.dns.trouble import InTurn, Late, Trouble
from muster.testbed.rig.small_http import Request

NAME = "chat.muster.test"
QUERY = bytes(dnslib.DNSRecord.question(NAME, "A").pack())


def answered(server: NameServer) -> dnslib.DNSRecord:
    reply = server.answer(QUERY)
    assert reply is not None
    return dnslib.DNSRecord.parse(reply)


async def tell(server: NameServer, body: bytes) -> tuple[int, object]:
    answer = await server._admin(Request("POST", "/trouble", {}, body))
    return answer.status, answer.body


def test_an_empty_server_says_noerror_and_for_how_long(monkeypatch):
    """The name exists; told so no more, it has its record again."""

    async def body(server, api, port):
        await until(lambda: server._zone is not None)
        assert await tell(server, b'{"empty": true}') == (200, {"empty": True})
        reply = answered(server)
        assert (reply.header.rcode, reply.rr) == (dnslib.RCODE.NOERROR, [])
        assert await tell(server, b"{}") == (200, {})
        assert str(answered(server).rr[0].rdata) == "127.0.1.1"

    run(monkeypatch, body)


def test_a_stale_server_goes_on_with_what_it_knew(monkeypatch):
    """Its polls go on, its answers do not follow until it is told; the defect never follows."""

    async def body(server, api, port):
        await until(lambda: server._zone is not None)
        await tell(server, b'{"stale": true}')
        api.zone = zone(0, port + 2)
        moved = api.zone.records[0].__class__(
            api.zone.records[0].name, "eu", ("127.0.9.9",), 5, 5, None
        )
        api.zone = api.zone.__class__(
            "muster.test.", (moved,), (), names=frozenset({"muster.test.", moved.name})
        )
        await until(lambda: server._zone == api.zone)
        assert str(answered(server).rr[0].rdata) == "127.0.1.1"
        await tell(server, b"{}")
        wanted = "127.0.1.1" if server._config.defect else "127.0.9.9"
        assert str(answered(server).rr[0].rdata) == wanted

    run(monkeypatch, body)
    run(monkeypatch, body, defect="never_reads_again")


@pytest.mark.parametrize("body", [b'{"delay_ms": -1}', b'{"delay_ms": 60001}', b'{"x": 1}', b"{"])
def test_what_is_no_trouble_is_refused(monkeypatch, body):
    """With what was expected; the server goes on as before."""

    async def whole(server, api, port):
        status, said = await tell(server, body)
        assert (status, "error" in said) == (400, True)
        assert server._trouble == Trouble()

    run(monkeypatch, whole)


def delays(kind: type[Late], count: int) -> list[float]:
    """When each of `count` answers is sent, in seconds after all were asked for."""

    async def body() -> list[float]:
        loop = asyncio.get_running_loop()
        sent: list[float] = []
        began_s = loop.time()
        late = kind()
        for _ in range(count):
            late.after(0.02, lambda: sent.append(loop.time() - began_s))
        while len(sent) < count:
            await asyncio.sleep(0.005)
        return sent

    return asyncio.run(body())


def test_delays_add_up_only_if_answered_in_turn():
    """The healthy server waits for each by itself."""
    assert min(delays(Late, 10)) >= 0.019
    assert max(delays(InTurn, 10)) >= 0.19
    in_turn = delays(InTurn, 10)
    assert in_turn == sorted(in_turn)


def test_without_a_delay_answers_are_sent_at_once():
    """Whatever the defect."""
    for kind in (Late, InTurn):
        sent: list[int] = []

        async def body(kind=kind, sent=sent):
            kind().after(0.0, lambda: sent.append(1))

        asyncio.run(body())
        assert sent == [1]


def negative(soa_ttl_s: int | None, minimum_s: int = 1, rcode: int = 0) -> bytes:
    reply = dnslib.DNSRecord(dnslib.DNSHeader(id=1, qr=1, rcode=rcode))
    if soa_ttl_s is not None:
        times = (1, 7200, 900, 1209600, minimum_s)
        soa = dnslib.SOA("ns.x.", "h.x.", times)
        reply.add_auth(dnslib.RR("x.", dnslib.QTYPE.SOA, rdata=soa, ttl=soa_ttl_s))
    return bytes(reply.pack())


@pytest.mark.parametrize("rcode", [0, 3])
@pytest.mark.parametrize(("ttl_s", "minimum_s"), [(5, 60), (60, 5)])
def test_a_negative_answer_holds_for_the_shorter_of_the_two(ttl_s, minimum_s, rcode):
    """The SOA's TTL and its minimum (RFC 2308, 5), for a name without records or no name."""
    said = read_answer(negative(ttl_s, minimum_s, rcode), NAME, "A")
    assert said is not None
    assert (said.addresses, said.negative, said.ttl_s) == ((), True, 5)


def test_a_negative_answer_without_an_soa_is_not_kept():
    """Nobody said for how long."""
    said = read_answer(negative(None), NAME, "A")
    assert said is not None
    assert not said.negative


def test_a_cache_keeps_a_negative_answer_as_long_as_it_holds():
    """Its clients fail at once and ask nobody; then it asks again, and they are served."""
    world = World(size=1, ttl_s=5.0)
    (cache,) = world.population.caches
    world.answer = Resolved((), 10.0)
    assert world.use(cache) is None
    world.answer = Resolved(("10.0.0.1",), 5.0)
    world.advance(9.0)
    assert [world.use(cache) for _ in range(3)] == [None] * 3
    assert world.queries == 1
    world.advance(1.0)
    assert world.use(cache) == "10.0.0.1"
    assert world.queries == 2


def test_a_negative_answer_with_no_time_is_asked_for_again():
    """As any failure."""
    world = World(size=1)
    (cache,) = world.population.caches
    world.answer = Resolved((), 0.0)
    assert world.use(cache) == "pending"
    world.answer = Resolved(("10.0.0.1",), 5.0)
    world.advance(1.0)
    assert world.use(cache) == "10.0.0.1"


def test_the_defect_lets_it_be_kept_for_minutes(monkeypatch):
    """By TTL and minimum of its SOA."""

    async def body(server, api, port):
        await until(lambda: server._zone is not None)
        await tell(server, b'{"empty": true}')
        (soa,) = answered(server).auth
        assert (soa.ttl, soa.rdata.times[-1]) == (LONG_NEGATIVE_TTL_S, LONG_NEGATIVE_TTL_S)

    from dataclasses import replace

    soa = ("ns.muster.test.", "h.muster.test.", "1", "7200", "900", "1209600", "86400")

    async def with_soa(server, api, port):
        api.zone = replace(api.zone, soa=soa)
        await until(lambda: server._zone is not None and server._zone.soa)
        await body(server, api, port)

    run(monkeypatch, with_soa, defect="long_negative_ttl")
