"""How the public name resolves on the load's own path, and whether that follows the weights.

The load's resolver caches ask one after another. A resolver in between that keeps an answer gives
all of them the same one for a TTL: then a drill can never see the traffic split as the weights say.
Two things show it: answers that are older than the record (their TTL runs down), and answers that
are all alike, or nearly, though the weights say otherwise.
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
"""Answers enough to see a half of the traffic within the contract's tolerance, doubled."""
ASKING_S_MAX = 12.0
WIDER = 1.5
"""Times the tolerance of one look in a drill, which looks again: this one is not repeated."""
TTLS_OLD_MIN = 2
"""So many answers of an age show that something keeps them."""


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


def _answers(examined: Examined, host: str) -> list[AskedOnce]:
    """As many answers as come in time. Raises OSError where the first does not come."""
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
