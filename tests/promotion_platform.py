"""A synthetic platform for promotions: two regions, scraped every 5 s, told by what goes wrong.

Everything is arithmetic on the second, so that a story gives the same samples each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from muster.contract import load
from muster.guard.promotion import Answer, Rules, judge_promotion
from muster.platform.metrics import RawSeries

CONTRACT = load()
EAST, WEST = "eu-central-1", "eu-west-1"
BOTH = frozenset({EAST, WEST})
T0 = 1_800_000_000.0
SCRAPE_S = 5
PER_S = 100.0
REASONS = ("redis_unavailable", "token_validation", "gateway_health")


def rules(tier: str = "G", gate: str = "M3") -> Rules:
    return Rules(CONTRACT, CONTRACT.gates[gate], CONTRACT.tiers[tier], (EAST, WEST), SCRAPE_S)


Value = Callable[[float], float]


@dataclass
class Platform:
    """`bad`: 5xx a second, `shed`: 429 a second, by (region, second); gauges by second.

    `hide(signal, region, part, second)`: this sample was not scraped. `skip`: series by name.
    """

    per_s: float = PER_S
    bad: Callable[[str, float], float] = lambda region, s: 0.0
    shed: Callable[[str, float], float] = lambda region, s: 0.0
    queue: Callable[[str, float], float] = lambda region, s: 1.0
    circuit: Callable[[str, float], float] = lambda region, s: 0.0
    failing: Callable[[str, str, float], float] = lambda region, reason, s: 0.0
    hide: Callable[[str, str, str, float], bool] = lambda signal, region, part, s: False
    code: str = "code"
    bad_code: str = "503"

    def series(self, seconds: float, start: float = -60) -> list[RawSeries]:
        """Samples from `start` to `seconds` after T0."""
        moments = [s for s in range(int(start), int(seconds) + 1) if s % SCRAPE_S == 0]
        found: list[RawSeries] = []
        for region in (EAST, WEST):
            counters = {"200": 5000.0, self.bad_code: 10.0, "429": 20.0}
            rows: dict[str, list[tuple[float, float]]] = {code: [] for code in counters}
            failures = dict.fromkeys(REASONS, 0.0)
            failed: dict[str, list[tuple[float, float]]] = {reason: [] for reason in REASONS}
            for s in moments:
                bad, shed = self.bad(region, s), self.shed(region, s)
                counters[self.bad_code] += bad * SCRAPE_S
                counters["429"] += shed * SCRAPE_S
                counters["200"] += max(0.0, self.per_s - bad - shed) * SCRAPE_S
                for code, value in counters.items():
                    rows[code].append((s, value))
                for reason in REASONS:
                    failures[reason] += self.failing(region, reason, s) * SCRAPE_S
                    failed[reason].append((s, failures[reason]))
            for code, points in rows.items():
                found += self._one("requests", region, {self.code: code}, code, points)
            found += self._one("streams_broken", region, {}, "", [(s, 0.0) for s in moments])
            queue = [(s, self.queue(region, s)) for s in moments]
            found += self._one("queue_age", region, {}, "", queue)
            circuit = [(s, self.circuit(region, s)) for s in moments]
            found += self._one("circuit_open", region, {"route": "primary"}, "primary", circuit)
            for reason, points in failed.items():
                labels = {"reason": reason}
                found += self._one("admission_failures", region, labels, reason, points)
        return found

    def _one(self, signal, region, labels, part, points):
        kept = [(s, v) for s, v in points if not self.hide(signal, region, part, s)]
        if not kept:
            return []
        full = {"region": region, "instance": "a", **labels}
        times = tuple(T0 + s for s, _ in kept)
        return [RawSeries(signal, signal, full, times, tuple(float(v) for _, v in kept))]

    def judged(
        self, seconds: float = 900, tier: str = "G", gate: str = "M3", rotation=BOTH
    ) -> Answer:
        """The answer after so many seconds, with that rotation (or a log of it)."""
        log = [(T0, rotation)] if isinstance(rotation, frozenset) else rotation
        shown = [(s.signal, s.name, s.labels, s.t_s, s.v) for s in self.series(seconds)]
        return judge_promotion(rules(tier, gate), shown, T0, T0 + seconds, log)
