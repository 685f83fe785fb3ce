"""Resolves the public name once, without a load: for checks before a drill."""

from __future__ import annotations

import ipaddress
import math
import socket
from dataclasses import dataclass

from dnslib import DNSError, DNSRecord

from muster.load.config import server_address
from muster.load.dns_answer import CHAIN_MAX, Said, families_here, plain_address, read_answer

QUERY_S_MAX = 2.0


@dataclass(frozen=True)
class AskedOnce:
    """One answer. `ttl_s` is None if the system's resolver was used, which gives no TTL."""

    addresses: tuple[str, ...]
    ttl_s: int | None


def addresses_of(host: str, dns_server: str | None) -> AskedOnce:
    """Resolve `host` once, in the same way as the load. Raises OSError."""
    if dns_server is None:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        texts = (plain_address(str(one[4][0])) for one in found)
        return AskedOnce(tuple(dict.fromkeys(texts)), None)
    server = server_address(dns_server, "load.dns_server")
    addresses: list[str] = []
    ttl_s = math.inf
    for family in families_here(server[0]):
        said = _asked(host, family, server)
        addresses += said.addresses
        ttl_s = min(ttl_s, said.ttl_s) if said.addresses else ttl_s
    return AskedOnce(tuple(addresses), None if math.isinf(ttl_s) else int(ttl_s))


def is_address(host: str) -> bool:
    """Whether `host` is an address, which needs no DNS query."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _asked(host: str, family: str, server: tuple[str, int]) -> Said:
    """Query the server for the name's addresses of one family; CNAME records are followed."""
    name, hops, ttl_s = host, 0, math.inf
    while True:
        try:
            sent = DNSRecord.question(name, family).send(*server, timeout=QUERY_S_MAX)
        except (DNSError, ValueError, IndexError) as error:
            raise OSError(f"{server[0]}:{server[1]} did not answer: {error}") from error
        said = read_answer(sent, name, family)
        if said is None:
            raise OSError(f"{server[0]}:{server[1]} returned an answer that cannot be read")
        hops, ttl_s = hops + said.hops, min(ttl_s, said.ttl_s)
        if said.asks is None or hops > CHAIN_MAX:
            return Said(said.addresses if hops <= CHAIN_MAX else (), ttl_s)
        name = said.asks
