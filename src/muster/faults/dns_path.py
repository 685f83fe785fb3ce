"""Looks at the public name by queries to the name server that the clients of the load ask."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from muster.clock import Clock
from muster.faults.model import FaultError

if TYPE_CHECKING:
    from muster.targets.model import Target

QUERY_S_MAX = 5.0


@dataclass(frozen=True)
class Asked:
    """One answer: its code, its addresses, how long it took, and for how long it may be kept.

    `ttl_s` of an answer without addresses is that of the negative answer; None: it names none.
    """

    rcode: str
    addresses: tuple[str, ...]
    took_ms: float
    ttl_s: int | None


def named_pct(target: Target, clock: Clock, addresses: Container[str], count: int) -> float:
    """The percent of `count` answers that name one of `addresses`. Raises FaultError."""
    asked = [ask(target, clock) for _ in range(count)]
    return 100 * sum(any(one in addresses for one in seen.addresses) for seen in asked) / count


def ask(target: Target, clock: Clock) -> Asked:
    """Ask once for the address of the public name. Raises FaultError without an answer."""
    host = urlsplit(target.public_url).hostname or ""
    name, _, port = (target.load.dns_server or "").rpartition(":")
    if not name:
        raise FaultError(f"target {target.name}: load.dns_server names no server to ask")
    began_s = clock.monotonic_s()
    try:
        sent = DNSRecord.question(host, "A").send(name, int(port), timeout=QUERY_S_MAX)
        took_ms = (clock.monotonic_s() - began_s) * 1000
        answer = DNSRecord.parse(sent)
    except (OSError, DNSError, ValueError) as error:
        raise FaultError(f"{name}:{port}: {error or type(error).__name__}") from error
    given = [rr for rr in answer.rr if rr.rtype == QTYPE.A]
    kept = [rr.ttl for rr in given]
    kept = kept or [min(rr.ttl, rr.rdata.times[-1]) for rr in answer.auth if rr.rtype == QTYPE.SOA]
    return Asked(
        str(RCODE.get(answer.header.rcode)),
        tuple(str(rr.rdata) for rr in given),
        round(took_ms, 1),
        min(kept) if kept else None,
    )
