"""Finds series with impossible values. Their signal is then unknown, and the finding names it.

- A counter decreases without a restart of its process (`restarts`).
- Answers are counted under a code that is not a three-digit status.
- A count, an age or a number of streams is negative.
- A series exists twice and differs only in a label of its scraper (`doubled`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from muster.samples.doubled import doubled_label
from muster.samples.rates import is_status
from muster.samples.restarts import restarts_within
from muster.samples.series import Samples, Series
from muster.samples.windows import Window

COUNTERS = (
    "requests",
    "streams_broken",
    "first_token",
    "completion",
    "admission_failures",
    "client_attempts",
    "client_answers",
    "client_canaries",
    "client_first_token",
    "client_completion",
)
GAUGES = (
    "queue_age",
    "streams_active",
    "streams_limit",
    "open_over",
    "circuit_open",
    "client_streams",
    "client_open_over",
)
LABELS_NAMED = 6
Odd = tuple[str, str, str]
"""Source, signal, and what is wrong with it."""


def oddities(samples: Samples, window: Window) -> Iterator[Odd]:
    """Return the impossible values in the series of `window`, signal by signal."""
    for signal in COUNTERS:
        series = samples.of(signal)
        yield from _fallen(signal, series, window)
    yield from _without_status(samples.of("requests"), window)
    for signal in (*COUNTERS, *GAUGES):
        for one in samples.of(signal):
            _, v = _inside(one, window)
            if (v < 0).any():
                yield _source(signal), signal, f"shows {v.min():g} in {named(one)}"
                break
        twice = doubled_label(one.labels for one in samples.of(signal) if _shown(one, window))
        if twice is not None:
            label, values = twice
            yield _source(signal), signal, f"shows series twice, by {label}: {', '.join(values)}"


def named(series: Series) -> str:
    """The series in Prometheus notation, with its first labels."""
    labels = sorted(series.labels.items())
    shown = ", ".join(f'{name}="{value}"' for name, value in labels[:LABELS_NAMED])
    return f"{series.name}{{{shown}{', …' if len(labels) > LABELS_NAMED else ''}}}"


def _fallen(signal: str, series: tuple[Series, ...], window: Window) -> Iterator[Odd]:
    """Counters that decreased although their process did not restart, one for each process."""
    restarts = restarts_within(series, window.start_s, window.end_s, window.stale_s)
    for process, found in restarts.items():
        if found.unexplained is not None:
            own = [one for one in series if one.process == process]
            one, said = own[found.unexplained.of], found.unexplained.said()
            yield _source(signal), signal, f"{named(one)} {said}"


def _without_status(series: tuple[Series, ...], window: Window) -> Iterator[Odd]:
    """Answers that the window counts under a code that is no HTTP status."""
    for one in series:
        code = one.labels.get("code", "")
        _, v = _inside(one, window)
        first = float(v[0]) if len(v) and one.t[0] <= window.start_s else 0.0
        if not is_status(code) and (v != first).any():
            what = f'code="{code}"' if code else "no code"
            yield "server", "requests", f"counts answers with {what}, which is no status"
            return


def _inside(series: Series, window: Window) -> tuple[np.ndarray, np.ndarray]:
    first = max(0, int(series.t.searchsorted(window.start_s, "right")) - 1)
    last = int(series.t.searchsorted(window.end_s, "right"))
    return series.t[first:last], series.v[first:last]


def _shown(series: Series, window: Window) -> bool:
    return len(series.t) > 0 and bool(
        series.t[0] <= window.end_s and series.t[-1] >= window.start_s
    )


def _source(signal: str) -> str:
    return "client" if signal.startswith("client") else "server"
