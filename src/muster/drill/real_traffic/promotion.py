"""Watches a promotion: keeps samples of a real platform for as long as the answer needs them.

It offers no load, takes no lock and changes nothing. Each look takes new samples and judges the
whole time from its start (or the last `span_s` of it) again, so that no answer depends on an old
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from muster.clock import SYSTEM_CLOCK, Clock
from muster.guard.promotion import (
    SIGNALS,
    Answer,
    Rules,
    judge_promotion,
    too_short,
)
from muster.guard.triggers import Fresh
from muster.platform.metrics import (
    Metrics,
    MetricsError,
    RawSeries,
    believed,
    key_of,
    late_seconds,
)
from muster.platform.metrics.poller import Poller, SeriesKey
from muster.platform.steering import SteeringError
from muster.samples.series import REFUSED
from muster.targets import Target
from muster.targets.signals import Signal

CHUNK_S = 600.0
"""The longest range vector of one query, in seconds."""
POLL_S_MIN = 5.0


@dataclass
class History:
    """Samples by series, each once; `forget` drops the oldest."""

    _heads: dict[SeriesKey, RawSeries] = field(default_factory=dict)
    _t: dict[SeriesKey, list[float]] = field(default_factory=dict)
    _v: dict[SeriesKey, list[float | None]] = field(default_factory=dict)

    def add(self, fresh: Sequence[RawSeries]) -> None:
        """Add samples; those not newer than the newest one are already there."""
        for series in fresh:
            key = key_of(series)
            self._heads.setdefault(key, series)
            times, values = self._t.setdefault(key, []), self._v.setdefault(key, [])
            last_s = times[-1] if times else float("-inf")
            for t_s, value in zip(series.t_s, series.v, strict=True):
                if t_s > last_s:
                    times.append(t_s)
                    values.append(value)

    def forget(self, before_s: float) -> None:
        """Drop samples from before `before_s`, and series without any since."""
        for key, times in list(self._t.items()):
            old = sum(1 for _ in _while_older(times, before_s))
            del times[:old], self._v[key][:old]
            if not times:
                del self._t[key], self._v[key], self._heads[key]

    def series(self) -> list[Fresh]:
        """Every series with its samples in order."""
        return [
            (head.signal, head.name, head.labels, self._t[key], self._v[key])
            for key, head in self._heads.items()
        ]


def _while_older(times: Sequence[float], before_s: float) -> Iterator[float]:
    for t_s in times:
        if t_s >= before_s:
            return
        yield t_s


def rules_of(target: Target, rules: Rules) -> Rules:
    """`rules` with what the target's file says about its platform."""
    named = "streams_broken" in target.signals
    return replace(rules, streams_broken_named=named, declared=target.declared)


@dataclass
class PromotionWatch:
    """`look` takes new samples and answers. `span_s`: judge the last so many seconds, or all.

    `begun_s` is when it began, minus the time that it looked back. `delay_s`: how much later than
    its scrape a sample may appear, in seconds; what is judged ends so much before now.
    """

    rules: Rules
    poll: Callable[[], Sequence[RawSeries]]
    weights: Callable[[], dict[str, int]]
    missing_s_max: float
    begun_s: float
    span_s: float | None = None
    clock: Clock = SYSTEM_CLOCK
    delay_s: float = 0.0
    steering_lost: str = ""
    _history: History = field(default_factory=History)
    _rotation: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    _answered_s: float | None = None
    _unanswered: str = ""

    def recall(self, past: Sequence[RawSeries]) -> None:
        """Add samples from before the watch began, oldest first."""
        self._history.add(past)

    def look(self) -> Answer:
        """Take new samples and judge. If Prometheus does not answer, the result is unknown."""
        now_s = self.clock.now_s()
        self._answered_s = now_s if self._answered_s is None else self._answered_s
        try:
            self._history.add(self.poll())
            self._answered_s, self._unanswered = now_s, ""
        except MetricsError as error:
            self._unanswered = str(error)
        self._follow_rotation(now_s)
        start_s = self.begun_s
        until_s = max(start_s, now_s - self.delay_s)
        if self.span_s is not None:
            start_s = max(start_s, until_s - self.span_s)
        self._history.forget(start_s - 2 * self.rules.stale_s)
        # What steers is read at once: it reaches the answer with the samples of its time.
        rotation = [one for one in self._rotation if one[0] <= until_s]
        answer = judge_promotion(self.rules, self._history.series(), start_s, until_s, rotation)
        return self._with_faults(answer, until_s)

    @property
    def blind_s(self) -> float:
        """For how long Prometheus has not answered, in seconds."""
        if self._answered_s is None or not self._unanswered:
            return 0.0
        return self.clock.now_s() - self._answered_s

    @property
    def blind(self) -> bool:
        """Whether it has not answered for longer than the target allows."""
        return self.blind_s > self.missing_s_max

    @property
    def grace_s(self) -> float:
        """How long a signal may take to be seen for the first time, in seconds."""
        return self.missing_s_max + 2 * self.rules.stale_s + self.delay_s

    def missing(self) -> list[str]:
        """Signals that no region has exported since the watch began."""
        shown = {one[0] for one in self._history.series()}
        left_out = {"streams_broken", *self.rules.declared}
        needed = [name for name in SIGNALS if name not in left_out]
        return [name for name in needed if name not in shown]

    def _follow_rotation(self, now_s: float) -> None:
        """Regions with weight are in rotation; if weights are unknown, all regions are judged."""
        every = frozenset(self.rules.regions)
        try:
            weights = self.weights()
            self.steering_lost = ""
            regions = frozenset(name for name, weight in weights.items() if weight) & every
        except SteeringError as error:
            self.steering_lost = str(error)
            regions = frozenset()
        regions = regions or every
        if not self._rotation:
            # Nobody knows past weights: the present ones are used.
            self._rotation.append((self.begun_s, regions))
        elif self._rotation[-1][1] != regions:
            self._rotation.append((now_s, regions))

    def _refused(self) -> list[str]:
        """Signals that could not be mapped at some time that is judged, and why."""
        return sorted(
            {
                f"signals.{labels['signal']}: {labels['why']}"
                for signal, _, labels, _, _ in self._history.series()
                if signal == REFUSED
            }
        )

    def _with_faults(self, answer: Answer, until_s: float) -> Answer:
        unknown = [*self._refused(), *answer.unknown]
        if self._unanswered:
            unknown.insert(0, f"Prometheus does not answer: {self._unanswered}")
        short = too_short(self.rules, until_s - answer.start_s)
        if short:
            told = f"watched for {until_s - answer.start_s:.0f} s of {self.rules.needed_s:.0f} s"
            unknown.insert(0, f"{told}: {', '.join(short)} could not have fired yet")
        state = answer.state
        if state == "held" and unknown:
            state = "unknown"
        return replace(answer, state=state, unknown=tuple(unknown))


def watch_of(
    target: Target,
    rules: Rules,
    metrics: Metrics,
    weights: Callable[[], dict[str, int]],
    *,
    look_back_s: float = 0.0,
    span_s: float | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> PromotionWatch:
    """A watch of `target` with the past already read. Raises MetricsError if that fails."""
    scrape_s = rules.scrape_s
    signals = {name: target.signals[name] for name in SIGNALS if name in target.signals}
    delay_s = target.prometheus.delay_s
    late_s = late_seconds(scrape_s) + delay_s
    poller = Poller(metrics, signals, reach_s=CHUNK_S, late_s=late_s, clock=clock)
    now_s = clock.now_s()
    watch = PromotionWatch(
        rules_of(target, rules),
        poller.poll,
        weights,
        target.prometheus.missing_s_max,
        now_s - look_back_s,
        span_s,
        clock,
        delay_s,
    )
    if look_back_s:
        for signal, selector in signals.items():
            watch.recall(
                list(past(metrics, signal, selector, watch.begun_s - 2 * rules.stale_s, now_s))
            )
    return watch


def past(
    metrics: Metrics, signal: str, how: Signal, start_s: float, end_s: float
) -> Iterator[RawSeries]:
    """Samples from `start_s` to `end_s`, oldest first, no query longer than `CHUNK_S`.

    Raises MetricsError.
    """
    at_s = start_s
    while at_s < end_s:
        window_s = min(CHUNK_S, end_s - at_s)
        at_s += window_s
        # A range may leave its first moment out; a duplicate sample is taken once.
        yield from believed(metrics, signal, how, window_s + 1.0, at_s)
