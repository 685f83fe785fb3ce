"""Reads peak hours of real traffic from Prometheus: one occurrence's samples at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from muster.drill.real_traffic.promotion import History, past
from muster.judge.evaluate import LATENCY_SLOS
from muster.judge.findings import Finding, unmeasured
from muster.judge.peak import (
    SIGNALS,
    Asked,
    Counted,
    Hours,
    judge_hours,
)
from muster.platform.metrics import Metrics, MetricsError
from muster.samples.counting import Count
from muster.samples.series import Samples, Series, series_of
from muster.targets import Target
from muster.targets.peak import Occurrence

NAN = float("nan")
NOTHING = Counted(Count(None, None))


def read_hours(metrics: Metrics, target: Target, asked: Asked, occurrence: Occurrence) -> Hours:
    """Read and judge one occurrence; if Prometheus does not answer, unknown with its message."""
    name, start_s, end_s = occurrence.name, occurrence.start_s, occurrence.end_s
    try:
        samples = samples_of(metrics, target, start_s - 2 * asked.stale_s, end_s + asked.stale_s)
    except MetricsError as error:
        counted = dict.fromkeys(("success_2xx", "rate_5xx", "rate_429", *LATENCY_SLOS), NOTHING)
        return Hours(name, start_s, end_s, (_unread(occurrence, str(error)),), counted)
    return judge_hours(asked, samples, name, start_s, end_s)


def samples_of(metrics: Metrics, target: Target, start_s: float, end_s: float) -> Samples:
    """The samples of the judged signals in that time, by bounded queries.

    Raises MetricsError.
    """
    by_signal: dict[str, tuple[Series, ...]] = {}
    for signal in SIGNALS:
        selector = target.signals.get(signal)
        if selector is None:
            continue
        history = History()
        history.add(list(past(metrics, signal, selector, start_s, end_s)))
        found = [
            series_of(
                signal,
                name,
                labels,
                [(t, NAN if v is None else v) for t, v in zip(times, values, strict=True)],
            )
            for _, name, labels, times, values in history.series()
        ]
        if found:
            by_signal[signal] = tuple(found)
    return Samples(by_signal)


def read_all(
    metrics: Metrics,
    target: Target,
    asked: Asked,
    found: Sequence[Occurrence],
    say: Callable[[Hours], None],
) -> list[Hours]:
    """Judge every occurrence in order; `say` is called for each when it is judged."""
    judged: list[Hours] = []
    for occurrence in found:
        hours = read_hours(metrics, target, asked, occurrence)
        say(hours)
        judged.append(hours)
    return judged


def _unread(occurrence: Occurrence, why: str) -> Finding:
    return unmeasured(
        "samples_complete",
        "server",
        "unknown",
        why,
        phase=occurrence.name,
        window=(occurrence.start_s, occurrence.end_s),
    )
