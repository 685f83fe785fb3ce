"""One DNS query in, one answer out."""

from __future__ import annotations

from dataclasses import replace

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.testbed.dns.answer import Memo, answer
from muster.testbed.dns.decide import AddressRecord
from muster.testbed.dns.records import Zone, _soa

ZONE = Zone(
    name="muster.test.",
    records=(AddressRecord("chat.muster.test.", "eu-west-1", ("127.0.1.1",), 50, 5, "h1"),),
    soa=("ns.example.", "hostmaster.example.", "1", "7200", "900", "1209600", "86400"),
    nameservers=("ns-1.example.", "ns-2.example."),
    names=frozenset({"muster.test.", "chat.muster.test.", "deep.down.muster.test."}),
)


def asked(
    name: str, kind: str = "A", zone: Zone | None = ZONE, edns: bool = False
) -> dnslib.DNSRecord:
    """The parsed answer to a query."""
    query = dnslib.DNSRecord.question(name, kind)
    if edns:
        query.add_ar(dnslib.EDNS0(udp_len=4096))
    packet = answer(query.pack(), zone, {}, lambda: 0.0).packet
    assert packet is not None
    reply = dnslib.DNSRecord.parse(packet)
    assert reply.header.id == query.header.id
    return reply


def test_an_address_comes_with_its_ttl_and_authority() -> None:
    """The record's address and TTL, marked authoritative, recursion not offered."""
    reply = asked("chat.muster.test")
    assert [(str(rr.rdata), rr.ttl) for rr in reply.rr] == [("127.0.1.1", 5)]
    assert (reply.header.aa, reply.header.ra, reply.header.rcode) == (1, 0, 0)


def test_letter_case_comes_back_as_it_was_asked() -> None:
    """Resolvers that mix the case of a question check that the answer does the same."""
    reply = asked("ChAt.MuStEr.TeSt")
    assert str(reply.q.qname) == "ChAt.MuStEr.TeSt."
    assert str(reply.rr[0].rname) == "ChAt.MuStEr.TeSt."


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("other.muster.test", "A", 3),
        ("chat.muster.test", "AAAA", 0),
        ("down.muster.test", "A", 0),
        ("example.com", "A", 5),
        ("notmuster.test", "A", 5),
        ("test", "A", 5),
    ],
)
def test_what_is_not_there(name: str, kind: str, rcode: int) -> None:
    """NXDOMAIN in the zone with its SOA, no data for another type, REFUSED outside the zone."""
    reply = asked(name, kind)
    assert reply.header.rcode == rcode
    assert reply.rr == []
    assert len(reply.auth) == (0 if rcode == 5 else 1)
    assert all(rr.ttl == 1 for rr in reply.auth)


def test_the_zone_itself() -> None:
    """SOA and NS at the zone's name."""
    assert str(asked("muster.test", "SOA").rr[0].rdata).startswith("ns.example. hostmaster")
    assert [str(rr.rdata) for rr in asked("muster.test", "NS").rr] == [
        "ns-1.example.",
        "ns-2.example.",
    ]


def test_edns_is_answered_with_edns() -> None:
    """A resolver that sends an OPT record gets one back; others do not."""
    assert [rr.rtype for rr in asked("chat.muster.test", edns=True).ar] == [dnslib.QTYPE.OPT]
    assert asked("chat.muster.test").ar == []


def test_nothing_known_yet_is_servfail() -> None:
    """Before the first records a client must ask again, not believe that there are none."""
    assert asked("chat.muster.test", zone=None).header.rcode == 2


def test_another_opcode_is_not_implemented() -> None:
    """Updates and the like are refused properly."""
    query = dnslib.DNSRecord.question("chat.muster.test")
    query.header.opcode = dnslib.OPCODE.UPDATE
    assert answer(query.pack(), ZONE, {}, lambda: 0.0).rcode == "NOTIMP"


def test_an_answer_is_never_answered() -> None:
    """Or two servers would talk to each other for ever."""
    query = dnslib.DNSRecord.question("chat.muster.test").reply()
    assert answer(query.pack(), ZONE, {}, lambda: 0.0).packet is None


@given(st.binary(max_size=300))
def test_no_packet_breaks_it(packet: bytes) -> None:
    """Whatever comes by UDP: an answer that parses, or silence."""
    reply = answer(packet, ZONE, {}, lambda: 0.0)
    if reply.packet is not None:
        assert reply.packet[:2] == packet[:2]
        dnslib.DNSRecord.parse(reply.packet)


@given(st.data())
def test_no_damaged_query_breaks_it(data: st.DataObject) -> None:
    """A query with some bytes changed, which comes closer to parsing than chance does."""
    packet = bytearray(dnslib.DNSRecord.question("chat.muster.test").pack())
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    reply = answer(bytes(packet), ZONE, {}, lambda: 0.0)
    if reply.packet is not None:
        dnslib.DNSRecord.parse(reply.packet)


@pytest.mark.parametrize(
    "text",
    [
        "ns.x. host.x. 1 7200 900 1209600 86400",
        "{'Value': 'ns.x. host.x. 1 7200 900 1209600 86400'}",
    ],
)
def test_a_wrapped_soa_is_read(text: str) -> None:
    """moto hands out its SOA inside the text of a Python mapping."""
    assert _soa("z.", [text]) == ("ns.x.", "host.x.", "1", "7200", "900", "1209600", "86400")
    assert _soa("z.", [])[:2] == ("ns.z.", "hostmaster.z.")


@given(
    st.lists(st.tuples(st.integers(0, 65535), st.floats(0, 1, exclude_max=True)), min_size=1),
    st.dictionaries(st.sampled_from(["h1", "h2"]), st.booleans()),
    st.sampled_from(["chat.muster.test", "CHAT.muster.TEST", "other.muster.test", "example.com"]),
    st.booleans(),
    st.sampled_from(["A", "AAAA"]),
)
def test_a_remembered_answer_is_the_same_byte_for_byte(
    draws: list[tuple[int, float]], healthy: dict[str, bool], name: str, edns: bool, kind: str
) -> None:
    """Whatever the id, the draw and the health: as if every query were the first."""
    second = AddressRecord("chat.muster.test.", "eu-central-1", ("127.0.2.1",), 20, 5, "h2")
    two = replace(ZONE, records=(*ZONE.records, second))
    memo = Memo(two)
    for number, draw in draws:
        query = dnslib.DNSRecord.question(name, kind)
        query.header.id = number
        if edns:
            query.add_ar(dnslib.EDNS0(udp_len=4096))
        packet = query.pack()
        assert memo.answer(packet, healthy, lambda d=draw: d) == answer(
            packet, two, healthy, lambda d=draw: d
        )
