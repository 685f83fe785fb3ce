"""How the public name resolves on the load's own path, and whether that follows the weights.

The load's resolver caches ask one after another. A resolver in between that keeps an answer gives
all of them the same one for a TTL: then a drill can never see the traffic split as the weights say.
Two things show it: answers that are older than the record (their TTL runs down), and answers that
are all alike, or nearly, though the weights say otherwise.
"""

from __future__ import annotations

import ipaddress
import math
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dnslib import DNSRecord

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.sight.split import ARRIVALS_MIN, tolerance_of
from muster.load.config import Endpoint, server_address
from muster.load.dns_answer import CHAIN_MAX, Said, families_here, plain_address, read_answer
from muster.platform.steering import shares_of

ASKED = 300
"""Answers enough to see a half of the traffic within the contract's tolerance, doubled."""
ASKING_S_MAX = 12.0
QUERY_S_MAX = 2.0
WIDER = 1.5
"""Times the tolerance of one look in a drill, which looks again: this one is not repeated."""
TTLS_OLD_MIN = 2
"""So many answers of an age show that something keeps them."""


@dataclass(frozen=True)
class Resolved:
    """One answer. `ttl_s` None: the system's resolver does not say."""

    addresses: tuple[str, ...]
    ttl_s: int | None


def addresses_of(host: str, dns_server: str | None) -> Resolved:
    """Ask once for the addresses of `host`, as the load does. Raises OSError."""
    if dns_server is None:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        texts = (plain_address(str(one[4][0])) for one in found)
        return Resolved(tuple(dict.fromkeys(texts)), None)
    server = server_address(dns_server, "load.dns_server")
    addresses: list[str] = []
    ttl_s = math.inf
    for family in families_here(server[0]):
        said = _asked(host, family, server)
        addresses += said.addresses
        ttl_s = min(ttl_s, said.ttl_s) if said.addresses else ttl_s
    return Resolved(tuple(addresses), None if math.isinf(ttl_s) else int(ttl_s))


def _asked(host: str, family: str, server: tuple[str, int]) -> Said:
    """What the server says of the name's addresses of one family, aliases followed."""
    name, hops, ttl_s = host, 0, math.inf
    while True:
        sent = DNSRecord.question(name, family).send(*server, timeout=QUERY_S_MAX)
        said = read_answer(sent, name, family)
        if said is None:
            raise OSError(f"{server[0]}:{server[1]} gives no answer that can be read")
        hops, ttl_s = hops + said.hops, min(ttl_s, said.ttl_s)
        if said.asks is None or hops > CHAIN_MAX:
            return Said(said.addresses if hops <= CHAIN_MAX else (), ttl_s)
        name = said.asks


def is_address(host: str) -> bool:
    """Whether `host` is an address, for which no resolver is asked."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def look(examined: Examined) -> Seen:
    """Ask the name many times over and compare the answers with the weights."""
    target = examined.target
    host = Endpoint(target.public_url, "public_url").host
    if is_address(host):
        return Seen((_note(f"{host} is an address: no resolver is asked"),))
    shares = shares_of(examined.weights)
    region_of = {
        plain_address(a): name for name, every in examined.addresses.items() for a in every
    }
    answers = _answers(examined, host)
    counts = Counter(region_of.get(next(iter(one.addresses), ""), "") for one in answers)
    path = target.load.dns_server or "the system's resolver"
    if not answers or not any(one.addresses for one in answers):
        return Seen(refused=(f"{host} has no address by {path}",))
    if not counts.keys() - {""}:
        return Seen(
            (_note(f"{host} by {path}: its addresses name no region, so its split says nothing"),)
        )
    rows = tuple(_row(name, shares, counts, len(answers)) for name in shares)
    ttl_s = examined.platform.names.ttl_s()
    aged = [one for one in answers if one.ttl_s is not None and one.ttl_s < ttl_s]
    if len(aged) >= TTLS_OLD_MIN:
        youngest = min(one.ttl_s or 0 for one in aged)
        return Seen(
            rows,
            refused=(
                f"{path} keeps answers: TTLs down to {youngest} s, the records "
                f"have {ttl_s} s: {_why()}",
            ),
        )
    return _against(examined, rows, shares, counts, len(answers), path)


def _against(
    examined: Examined,
    rows: tuple[Row, ...],
    shares: Mapping[str, float],
    counts: Mapping[str, int],
    asked: int,
    path: str,
) -> Seen:
    """The observed split against the weights, as far as so many answers can tell."""
    points = 100 * float(examined.plan.contract.drill.split_tolerance)
    lonely = [name for name, share in shares.items() if counts.get(name, 0) == asked and share < 90]
    if lonely and asked >= ARRIVALS_MIN:
        said = (
            f"all {asked} answers of {path} name {lonely[0]}, which has {shares[lonely[0]]:.0f} %"
        )
        return Seen(rows, refused=(f"{said} of the weight: {_why()}",))
    unknown = counts.get("", 0)
    if unknown:
        text = f"{unknown} of {asked} answers of {path} are addresses of no region"
        return Seen(rows, refused=(text,))
    off, short = [], False
    for name, wanted_pct in shares.items():
        tolerance = tolerance_of(wanted_pct, asked, points)
        if tolerance is None:
            short = True
        elif abs(100 * counts.get(name, 0) / asked - wanted_pct) > WIDER * tolerance:
            off.append(
                f"{name} {100 * counts.get(name, 0) / asked:.0f} % of {asked} answers, "
                f"{wanted_pct:.0f} % of the weight"
            )
    if off:
        return Seen(rows, refused=(f"{path} does not follow the weights: {'; '.join(off)}",))
    if short:
        text = f"only {asked} answers of {path} in {ASKING_S_MAX:g} s: too few to see a split"
        return Seen(rows, unknown=(text,))
    return Seen(rows)


def _answers(examined: Examined, host: str) -> list[Resolved]:
    """As many answers as come in time. Raises OSError where the first does not come."""
    server = examined.target.load.dns_server
    clock = examined.clock
    end_s = clock.monotonic_s() + ASKING_S_MAX
    found: list[Resolved] = []
    failed = 0
    while len(found) + failed < ASKED and clock.monotonic_s() < end_s:
        try:
            found.append(addresses_of(host, server))
        except OSError:
            failed += 1
            if failed > len(found) + 1:
                break
    return found


def _why() -> str:
    return (
        "all caches of the load get one answer for a TTL, and no split can be told; name a server "
        "of the zone in load.dns_server"
    )


def _row(name: str, shares: Mapping[str, float], counts: Mapping[str, int], asked: int) -> Row:
    seen = 100 * counts.get(name, 0) / asked
    return {
        "region": name,
        "by weight": f"{shares[name]:.0f} %",
        "by resolver": f"{seen:.0f} %",
        "answers": str(asked),
    }


def _note(text: str) -> Row:
    return {"region": "-", "by weight": "-", "by resolver": text, "answers": "0"}
