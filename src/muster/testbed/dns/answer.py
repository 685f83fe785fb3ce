"""One DNS query in, one answer out (RFC 1035; RFC 2308 for names that do not exist). No sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from dnslib import (
    EDNS0,
    NS,
    OPCODE,
    QTYPE,
    RCODE,
    RR,
    SOA,
    A,
    DNSError,
    DNSHeader,
    DNSRecord,
)

from muster.testbed.dns.decide import AddressRecord, choose
from muster.testbed.dns.records import Zone

UDP_PAYLOAD_BYTES = 1232
NEGATIVE_TTL_S = 1
"""How long "there is no such record" may be cached; short, because a drill changes records."""


@dataclass(frozen=True)
class Answered:
    """The packet to send (None: do not answer), and its description for the metrics."""

    packet: bytes | None
    rcode: str
    region: str | None = None


class Memo:
    """Cached packets for one zone: a resolver repeats its queries, only with another id.

    Parsing and packing cost twenty times as much as the choice of the record, which is made for
    each query.
    """

    ENTRIES_MAX = 4096

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._records: dict[bytes, tuple[AddressRecord, ...]] = {}
        self._replies: dict[tuple[bytes, str], bytes] = {}
        self._without: dict[bytes, tuple[bytes, str]] = {}  # no choice: as AAAA of a name with A

    def answer(
        self, packet: bytes, healthy: Mapping[str, bool], draw: Callable[[], float]
    ) -> Answered:
        """The same result as this module's `answer`, byte for byte."""
        question = bytes(packet[2:])
        records = self._records.get(question)
        if records is None:
            if (known := self._without.get(question)) is not None:
                return Answered(packet[:2] + known[0], known[1])
            return self._first(packet, question, healthy, draw)
        chosen = choose(records, healthy, draw())
        assert chosen is not None  # only queries with records are cached
        reply = self._replies.get((question, chosen.region))
        if reply is None:
            only = replace(self.zone, records=(chosen,))
            made = answer(packet, only, {}, lambda: 0.0).packet
            assert made is not None
            reply = self._replies[question, chosen.region] = made[2:]
        return Answered(packet[:2] + reply, "NOERROR", chosen.region)

    def _first(
        self,
        packet: bytes,
        question: bytes,
        healthy: Mapping[str, bool],
        draw: Callable[[], float],
    ) -> Answered:
        answered = answer(packet, self.zone, healthy, draw)
        told = answered.packet is not None and answered.rcode in ("NOERROR", "NXDOMAIN")
        if answered.region is not None and len(self._records) < self.ENTRIES_MAX:
            name = str(DNSRecord.parse(packet).q.qname).lower()
            self._records[question] = self.zone.at(name)
        elif answered.region is None and told and len(self._without) < self.ENTRIES_MAX:
            self._without[question] = (bytes(answered.packet or b"")[2:], answered.rcode)
        return answered


def answer(
    packet: bytes, zone: Zone | None, healthy: Mapping[str, bool], draw: Callable[[], float]
) -> Answered:
    """Answer one query. `zone` None: nothing is known yet, which is SERVFAIL."""
    try:
        query = DNSRecord.parse(packet)
    except (DNSError, ValueError, IndexError):
        return _malformed(packet)
    if query.header.qr:
        return Answered(
            None, "dropped"
        )  # a response, not a query: never answered, or two servers would loop
    if query.header.opcode != OPCODE.QUERY:
        return _plain(query, RCODE.NOTIMP)
    if len(query.questions) != 1:
        return _plain(query, RCODE.FORMERR)
    if zone is None:
        return _plain(query, RCODE.SERVFAIL)
    name = str(query.q.qname).lower()
    if name != zone.name and not name.endswith("." + zone.name):
        return _plain(query, RCODE.REFUSED)
    return _authoritative(query, name, zone, healthy, draw)


def _authoritative(
    query: DNSRecord,
    name: str,
    zone: Zone,
    healthy: Mapping[str, bool],
    draw: Callable[[], float],
) -> Answered:
    reply = _reply(query)
    reply.header.aa = 1
    kind = QTYPE.get(query.q.qtype)
    region: str | None = None
    if kind in ("A", "ANY") and (chosen := choose(zone.at(name), healthy, draw())) is not None:
        region = chosen.region
        _add_addresses(reply, query, chosen)
    if name == zone.name and kind in ("SOA", "ANY") and zone.soa:
        reply.add_answer(_soa(zone))
    if name == zone.name and kind in ("NS", "ANY"):
        for server in zone.nameservers:
            reply.add_answer(RR(zone.name, QTYPE.NS, rdata=NS(server), ttl=zone.soa_ttl_s))
    if not reply.rr:
        # A name above an existing one exists too, although it has no records (RFC 8020).
        exists = any(known == name or known.endswith("." + name) for known in zone.names)
        reply.header.rcode = RCODE.NOERROR if exists else RCODE.NXDOMAIN
        if zone.soa:
            reply.add_auth(_soa(zone))
    return Answered(reply.pack(), str(RCODE.get(reply.header.rcode)), region)


def _add_addresses(reply: DNSRecord, query: DNSRecord, record: AddressRecord) -> None:
    for address in record.addresses:
        # The name is returned as it was asked, including letter case: resolvers check it.
        reply.add_answer(RR(query.q.qname, QTYPE.A, rdata=A(address), ttl=record.ttl_s))


def _soa(zone: Zone) -> RR:
    primary, mailbox, *numbers = zone.soa
    times = [int(number) for number in numbers]
    ttl_s = zone.negative_ttl_s or NEGATIVE_TTL_S
    times[-1] = min(times[-1], ttl_s)
    return RR(zone.name, QTYPE.SOA, rdata=SOA(primary, mailbox, tuple(times)), ttl=ttl_s)


def _reply(query: DNSRecord) -> DNSRecord:
    reply = query.reply(ra=0, aa=0)
    if any(record.rtype == QTYPE.OPT for record in query.ar):
        reply.add_ar(EDNS0(udp_len=UDP_PAYLOAD_BYTES))
    return reply


def _plain(query: DNSRecord, rcode: int) -> Answered:
    reply = _reply(query)
    reply.header.rcode = rcode
    return Answered(reply.pack(), str(RCODE.get(rcode)))


def _malformed(packet: bytes) -> Answered:
    """FORMERR with the query's id, if it has one."""
    if len(packet) < 12 or packet[2] & 0x80:
        return Answered(None, "dropped")
    header = DNSHeader(id=int.from_bytes(packet[:2], "big"), qr=1, rcode=RCODE.FORMERR)
    return Answered(DNSRecord(header).pack(), "FORMERR")
