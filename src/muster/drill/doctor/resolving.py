"""Checks that DNS answers on the load's path follow the weights.

The load's resolver caches query one after another. A caching resolver between them and the zone's
server gives all of them the same answer for a TTL, and the drill can then never observe the split
that the weights set. The check recognises such a resolver by answers whose TTL is below that of the
record, and by answers that are all, or nearly all, the same although the weights differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.sight.split import ARRIVALS_MIN, tolerance_of
from muster.load.config import Endpoint
from muster.load.dns_answer import plain_address
from muster.load.once import AskedOnce, addresses_of, is_address
from muster.platform.steering import shares_of

ASKED = 300
"""Queries: enough to measure a share of 50 % within twice the contract's tolerance."""
ASKING_S_MAX = 12.0
WIDER = 1.5
"""Factor on a drill's tolerance: a drill measures again, this check measures once."""
TTLS_OLD_MIN = 2
"""Number of answers with a reduced TTL from which on a cache is assumed."""


def look(examined: Examined) -> Seen:
    """Query the name many times and compare the answers with the weights."""
    target = examined.target
    host = Endpoint(target.public_url, "public_url").host
    if is_address(host):
        return Seen((_note(f"{host} is an address: no DNS query is needed"),))
    shares = shares_of(examined.weights)
    region_of = {
        plain_address(a): name for name, every in examined.addresses.items() for a in every
    }
    answers = _answers(examined, host)
    counts = Counter(region_of.get(next(iter(one.addresses), ""), "") for one in answers)
    path = target.load.dns_server or "the system's resolver"
    if not answers or not any(one.addresses for one in answers):
        return Seen(refused=(f"{path} returns no address for {host}",))
    if not counts.keys() - {""}:
        return Seen(
            (_note(f"{host} by {path}: the addresses belong to no known region: no split"),)
        )
    rows = tuple(_row(name, shares, counts, len(answers)) for name in shares)
    ttl_s = examined.platform.names.ttl_s()
    aged = [one for one in answers if one.ttl_s is not None and one.ttl_s < ttl_s]
    if len(aged) >= TTLS_OLD_MIN:
        youngest = min(one.ttl_s or 0 for one in aged)
        return Seen(
            rows,
            refused=(
                f"{path} caches answers (TTLs down to {youngest} s, the records "
                f"have {ttl_s} s): {_why()}",
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
    """Compare the observed split with the weights, if the number of answers is sufficient."""
    points = 100 * float(examined.plan.contract.drill.split_tolerance)
    lonely = [name for name, share in shares.items() if counts.get(name, 0) == asked and share < 90]
    if lonely and asked >= ARRIVALS_MIN:
        said = (
            f"all {asked} answers of {path} name {lonely[0]}, which has {shares[lonely[0]]:.0f} %"
        )
        return Seen(rows, refused=(f"{said} of the weight: {_why()}",))
    unknown = counts.get("", 0)
    if unknown:
        text = f"{unknown} of {asked} answers of {path} are addresses of no known region"
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
        text = f"only {asked} answers of {path} in {ASKING_S_MAX:g} s: too few to measure the split"
        return Seen(rows, unknown=(text,))
    return Seen(rows)


def _answers(examined: Examined, host: str) -> list[AskedOnce]:
    """All answers that arrive in time. Stops early if most of the queries fail."""
    server = examined.target.load.dns_server
    clock = examined.clock
    end_s = clock.monotonic_s() + ASKING_S_MAX
    found: list[AskedOnce] = []
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
        "all caches of the load would get the same answer for a TTL, and no split can be "
        "measured; set load.dns_server to a server of the zone"
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
