"""Series that contradict each other: one of them is missing, so nothing is known.

A label value has a series only once it happened, so a missing one can not be seen by itself. But
what succeeded was also timed, and what was timed was answered, process by process.
"""

from __future__ import annotations

from muster.contract.findings import Finding
from muster.contract.samples import Samples, Series
from muster.contract.windows import Window, growth

PAIRS = (
    ("server", "requests", "code", "2", ("first_token", "completion")),
    (
        "client",
        "client_attempts",
        "outcome",
        "success",
        ("client_first_token", "client_completion"),
    ),
)
Owner = tuple[str, str]


def judge_consistency(samples: Samples, window: Window, phase: str) -> list[Finding]:
    """An unknown finding for each signal that misses a process which another one shows at work."""
    found: list[Finding] = []
    for source, counted, label, good, timed in PAIRS:
        answered = _working(
            [s for s in samples.of(counted) if s.labels.get(label, "").startswith(good)], window
        )
        shown = {_owner(series) for series in samples.of(counted)}
        for histogram in timed:
            counts = samples.of(histogram, "_count")
            for signal, missing in (
                (histogram, answered - {_owner(series) for series in counts}),
                (counted, _working(counts, window) - shown),
            ):
                if missing:
                    found.append(_finding(source, signal, phase, window, min(missing)))
    return found


def _owner(series: Series) -> Owner:
    return series.region, series.labels.get("instance", "")


def _working(series: list[Series] | tuple[Series, ...], window: Window) -> set[Owner]:
    """Processes whose counters grew within the window."""
    return {_owner(one) for one in series if growth(one, window, float("-inf"))}


def _finding(source: str, signal: str, phase: str, window: Window, owner: Owner) -> Finding:
    region, instance = owner
    return Finding(
        slo="samples_complete",
        tier=None,
        phase=phase,
        region=region or None,
        source=source,
        window=(window.start_s, window.end_s),
        threshold=None,
        measured=None,
        margin=None,
        unit="",
        samples=None,
        status="unknown",
        reason=f"{signal} misses {instance or 'a process'} of {region}, which others show at work",
    )
