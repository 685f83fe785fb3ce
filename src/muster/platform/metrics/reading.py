"""Reads a signal by its selectors and maps it. Every part of Muster reads a platform this way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from muster.platform.metrics.mapping import Reading, mapped
from muster.platform.metrics.model import Metrics, MetricsError, RawSeries
from muster.targets.signals import Signal

SERIES_MAX = 10_000
"""The most series of a signal that are read; more would make a poll take longer than its second."""


def read(
    metrics: Metrics,
    signal: str,
    how: Signal,
    window_s: float,
    at_s: float | None = None,
) -> Reading:
    """Read what was scraped of `signal` in the last `window_s` seconds (before `at_s`, if given).

    Raises MetricsError if the server does not answer.
    """
    selectors = (how,) if isinstance(how, str) else how.selectors
    at = () if at_s is None else (at_s,)
    answers = [metrics.raw(signal, selector, window_s, *at) for selector in selectors]
    count = sum(len(answer) for answer in answers)
    if count > SERIES_MAX:
        said = _explodes([one for answer in answers for one in answer])
        return Reading([], f"{count:,} series; at most {SERIES_MAX:,} are read: {said}")
    if isinstance(how, str):
        return Reading(answers[0], names=frozenset(one.name for one in answers[0]))
    return mapped(signal, how, answers)


def believed(
    metrics: Metrics, signal: str, how: Signal, window_s: float, at_s: float | None = None
) -> list[RawSeries]:
    """Like `read`, but raises MetricsError also if nothing of the signal can be trusted."""
    reading = read(metrics, signal, how, window_s, at_s)
    if reading.refused:
        raise MetricsError(f"signals.{signal}: {reading.refused}")
    return reading.series


def _explodes(series: Sequence[RawSeries]) -> str:
    """Which label has so many values, and what to do."""
    values: dict[str, set[str]] = {}
    for one in series:
        for name, value in one.labels.items():
            values.setdefault(name, set()).add(value)
    ranked: Iterable[str] = sorted(values, key=lambda name: (-len(values[name]), name))
    label = next(iter(ranked), "")
    if not label:
        return "select fewer"
    return (
        f"the label {label} has {len(values[label]):,} values; drop it in the scrape configuration "
        "(metric_relabel_configs), or select fewer"
    )
