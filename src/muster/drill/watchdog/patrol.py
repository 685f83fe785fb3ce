"""The watchdog's own look at the samples: the drill's watch and guard, in another process.

It keeps no samples, because the drill keeps the evidence. It only decides whether the drill must
stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.contract.model import Contract
from muster.drill.guard import DrillGuard
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.facts import KEEP_S, Facts
from muster.drill.sight.starved import Starved
from muster.drill.sight.steered import SteeringLook
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag
from muster.platform import Platform
from muster.platform.metrics import Metrics, Poller, RawSeries, late_seconds
from muster.platform.steering import Expected, Steering, snapshot_from

SIGNALS = (
    "requests",
    "streams_broken",
    "queue_age",
    "circuit_open",
    "admission_failures",
    "client_attempts",
    "client_answers",
    "client_streams",
)
"""What the guard judges, where new streams go, and how many are open."""
POLL_S_MIN = 0.5
LOOKS_MIN = 3
"""Looks that must show the same change of the records: messages announce the drill's own changes.
"""
_REACH_POLLS = 12


class _NoSink:
    def add(self, fresh: Sequence[RawSeries]) -> None:
        pass


@dataclass
class Patrol:
    """A running watch, its guard, and what they found. `trips` are events for the ledger."""

    watch: Watch
    guard: DrillGuard
    facts: Facts
    stop: StopFlag
    steering: Steering
    metrics: Metrics
    contract: Contract
    trips: list[tuple[str, dict[str, Any]]]
    expected: Expected

    def close(self) -> None:
        """Stop looking."""
        self.watch.close(last_look=False)
        self.metrics.close()


def begin(
    platform: Platform,
    contract: Contract,
    gate: str,
    time_scale: float,
    records: Mapping[str, Any] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Patrol:
    """Watch `platform` (its endpoints filled in) for a drill of that gate. Raises MusterError.

    `records`: what the steering shows as the drill began; None: nothing is compared with it.
    """
    target, steering, metrics = platform.target, platform.steering, platform.metrics
    scrape_s = target.prometheus.scrape_interval_s
    poll_s = max(POLL_S_MIN, scrape_s)
    stop = StopFlag(clock)
    samples = SamplesClock.of(target.prometheus, clock)
    facts = Facts(
        stale_s=contract.measurement.gap_s_max(scrape_s),
        keep_s=samples.bound_s(KEEP_S),
        due_s=samples.due_s,
    )
    trips: list[tuple[str, dict[str, Any]]] = []

    def record(event: str, **fields: Any) -> None:
        trips.append((event, fields))

    expected = Expected()
    if records is not None:
        expected.begin(snapshot_from(records))
    missing_s_max = target.prometheus.missing_s_max
    starved = Starved(facts, contract.load_validity, samples.bound_s(missing_s_max))
    looks = SteeringLook(
        steering,
        expected,
        stop,
        missing_s_max=missing_s_max,
        looks_min=LOOKS_MIN,
        blamed=starved.blamed,
        excused=lambda: guard.expects("steering_weight"),
        clock=clock,
    )
    rules = next(rules for name, rules in contract.gates.items() if name == gate)
    guard = DrillGuard(target, contract, rules, time_scale, record, clock)
    signals = {name: target.signals[name] for name in SIGNALS if name in target.signals}
    watch = Watch(
        Poller(
            metrics,
            signals,
            reach_s=samples.bound_s(_REACH_POLLS * poll_s),
            late_s=samples.bound_s(late_seconds(scrape_s)),
            clock=clock,
        ),
        looks.weights,
        facts,
        _NoSink(),
        stop,
        poll_s=poll_s,
        missing_s_max=missing_s_max,
        required=("requests", "client_answers"),
        starved=starved,
        delay_s=samples.delay_s,
        clock=clock,
    )
    watch.guard = guard
    watch.start()
    return Patrol(watch, guard, facts, stop, steering, metrics, contract, trips, expected)
