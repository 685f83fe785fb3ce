"""How near a running drill is to the limits of its tier, from the newest samples.

`used` is the share of what is tolerated: 0 nothing, 1 the limit. The window is as long as that of a
rollback trigger. What the samples do not show is left out: it is unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from muster.contract.model import Contract, Gate, Tier
from muster.drill.live.recent import Recent
from muster.samples.rates import FAILED_5XX

ATTEMPTS_MIN = 20
LATENCIES = {
    "first_token_p95": ("client_first_token", "first_token_p95_s_max"),
    "completion_p95": ("client_completion", "completion_p95_s_max"),
}


@dataclass(frozen=True)
class Margin:
    """`measured` and `limit` in `unit`; `used`: the share of the tolerated amount that is used."""

    slo: str
    region: str
    measured: float
    limit: float
    unit: str
    used: float


def margins(
    recent: Recent,
    contract: Contract,
    gate: Gate,
    tier: Tier,
    window_s: float,
    rotation: Collection[str],
) -> list[Margin]:
    """Margins of the regions in `rotation`, the tightest first."""
    found = [
        *_rates(recent, tier, window_s),
        *_latencies(recent, contract, tier, window_s),
        *_queues(recent, gate),
    ]
    return sorted((one for one in found if one.region in rotation), key=lambda one: -one.used)


def _rates(recent: Recent, tier: Tier, window_s: float) -> Iterator[Margin]:
    signal = "client_attempts"
    total = recent.growth(signal, window_s)
    wanted: tuple[tuple[str, float, Callable[[str], bool]], ...] = (
        ("rate_5xx", float(tier.rate_5xx_max), lambda outcome: outcome in FAILED_5XX),
        ("rate_429", float(tier.rate_429_max), lambda outcome: outcome == "http_429"),
        ("success_2xx", float(1 - tier.success_2xx_min), lambda outcome: outcome != "success"),
    )
    for slo, tolerated, is_bad in wanted:
        bad = recent.growth(signal, window_s, _with("outcome", is_bad))
        for region, count in total.items():
            if count >= ATTEMPTS_MIN and tolerated > 0:
                share = bad.get(region, 0.0) / count
                floor = slo == "success_2xx"
                measured, limit = (1 - share, 1 - tolerated) if floor else (share, tolerated)
                yield Margin(slo, region, 100 * measured, 100 * limit, "%", share / tolerated)


def _latencies(recent: Recent, contract: Contract, tier: Tier, window_s: float) -> Iterator[Margin]:
    tolerated = 1 - float(contract.measurement.percentile)
    for slo, (signal, key) in LATENCIES.items():
        limit_s = float(getattr(tier, key))
        total = recent.growth(signal, window_s, _with("le", lambda le: le == "+Inf"))
        at_most = recent.growth(signal, window_s, _with("le", _edge(limit_s)))
        for region, count in total.items():
            if count >= ATTEMPTS_MIN and region in at_most:
                over = max(count - at_most[region], 0.0) / count
                yield Margin(
                    slo, region, 100 * over, 100 * tolerated, f"% over {limit_s:g} s",
                    over / tolerated,
                )  # fmt: skip


def _queues(recent: Recent, gate: Gate) -> Iterator[Margin]:
    limit_s = float(gate.queue_age_s_max)
    for region, age_s in recent.latest("queue_age", max).items():
        yield Margin("queue_age", region, age_s, limit_s, "s", age_s / limit_s)


SIGNALS = ("client_attempts", "queue_age", *(signal for signal, _ in LATENCIES.values()))
"""The signals from which margins come."""


def needed(tiers: Iterable[Tier]) -> Callable[[str, Mapping[str, str]], bool]:
    """Which series of these signals margins need: of a histogram, total and the limits' edges."""
    limits = [float(getattr(tier, key)) for tier in tiers for _, key in LATENCIES.values()]
    edges = [_edge(limit_s) for limit_s in limits]
    histograms = {signal for signal, _ in LATENCIES.values()}

    def keeps(signal: str, labels: Mapping[str, str]) -> bool:
        le = labels.get("le", "")
        return signal not in histograms or le == "+Inf" or any(is_edge(le) for is_edge in edges)

    return keeps


def _with(label: str, holds: Callable[[str], bool]) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: holds(labels.get(label, ""))


def _edge(limit_s: float) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            return abs(float(text) - limit_s) < 1e-9
        except ValueError:
            return False

    return holds
