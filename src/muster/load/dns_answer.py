"""Reads one DNS answer: the addresses of a name, or the next name to query. Pure.

Like a resolver, it follows CNAME records within an answer and across answers, at most CHAIN_MAX in
all. A longer chain, or a circular one, gives no address. The TTL is the shortest one of the chain.

A name is queried for the address families that this machine can reach (`AI_ADDRCONFIG`, RFC 3493):
AAAA only with a route for IPv6, A only with a route for IPv4, and both if there is neither.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dnslib import QTYPE, DNSError, DNSRecord

CHAIN_MAX = 8
"""The most CNAME records that are followed."""
FAMILIES = ("AAAA", "A")
"""In order of preference (RFC 6724): IPv6 first, if it can be reached."""
_BEYOND = {"AAAA": (socket.AF_INET6, "2001:db8::1"), "A": (socket.AF_INET, "192.0.2.1")}
"""Documentation addresses: connecting a datagram socket looks up a route and sends nothing."""


@dataclass(frozen=True)
class Said:
    """`addresses` in the order of the answer; if there are none, `asks` is the next name to query.

    `hops`: CNAME records followed so far. `ttl_s`: how long the result may be cached. `negative`:
    there is no address, and `ttl_s` says for how long (RFC 2308).
    """

    addresses: tuple[str, ...] = ()
    ttl_s: float = float("inf")
    asks: str | None = None
    hops: int = 0
    negative: bool = False


NOTHING = Said()
"""The name has no address of this family."""


def families_here(dns_server: str | None = None) -> tuple[str, ...]:
    """The address families to query, the preferred one first.

    `dns_server`: the address of the DNS server; its family counts as reachable.
    """
    known = {family for family in FAMILIES if _has_route(family)}
    if dns_server is not None:
        with suppress(ValueError):  # a host name has no family
            known.add("AAAA" if ipaddress.ip_address(dns_server).version == 6 else "A")
    return tuple(one for one in FAMILIES if one in known) or FAMILIES


def read_answer(data: bytes, name: str, family: str) -> Said | None:
    """Read the answer `data` for `name`; None if it is invalid or reports a server error.

    NXDOMAIN is a valid answer without addresses: NOTHING.
    """
    try:
        found = DNSRecord.parse(data)
        records = [(str(rr.rname), QTYPE.get(rr.rtype), str(rr.rdata), rr.ttl) for rr in found.rr]
    except (DNSError, ValueError, IndexError):
        return None
    if found.header.rcode not in (0, 3):
        return None
    said = _followed(records, name, family)
    if said.addresses or (said.asks is not None and found.header.rcode == 0):
        return said
    # Without an SOA nobody may keep it, and nothing says how long.
    kept_s = [min(rr.ttl, rr.rdata.times[-1]) for rr in found.auth if rr.rtype == QTYPE.SOA]
    return Said(ttl_s=min(kept_s), hops=said.hops, negative=True) if kept_s else said


def _followed(records: Sequence[tuple[str, str, str, int]], name: str, family: str) -> Said:
    here, ttl_s = _plain(name), float("inf")
    for hops in range(CHAIN_MAX + 1):
        own = [one for one in records if _plain(one[0]) == here]
        given = [one for one in own if one[1] == family]
        if given:
            ttl_s = min(ttl_s, *(ttl for *_, ttl in given))
            texts = tuple(plain_address(text) for _, _, text, _ in given)
            return Said(tuple(dict.fromkeys(texts)), ttl_s, None, hops)
        alias = next((one for one in own if one[1] == "CNAME"), None)
        if alias is None:
            return Said((), ttl_s, here if hops else None, hops)
        here, ttl_s = _plain(alias[2]), min(ttl_s, alias[3])
    return Said(hops=CHAIN_MAX + 1)


def plain_address(text: str) -> str:
    """An address in its canonical form: IPv6 has several notations."""
    try:
        return ipaddress.ip_address(text).compressed
    except ValueError:
        return text


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _has_route(family: str) -> bool:
    """Whether this machine has a route to other machines for `family`."""
    kind, beyond = _BEYOND[family]
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((beyond, 9))
            own = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
            return not (own.is_loopback or own.is_link_local)
    except (OSError, ValueError):
        return False
