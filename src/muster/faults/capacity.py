"""The streams that a region says it can hold, read from the platform's own series.

The limit is read before a region is stopped and kept in the undo log. Any process that restores the
region, on any machine, then knows how much capacity must come back.
"""

from __future__ import annotations

from muster.faults.model import FaultError
from muster.platform import Platform

SIGNAL = "streams_limit"
LIVE_SCRAPES = 4
"""A process whose newest sample is older than this, in scrapes, does not count."""
TOLERANCE = 0.005


def streams_limit(platform: Platform, region: str, since_s: float = 0.0) -> float:
    """The stream limit of `region` now, over all its processes. Raises FaultError.

    `since_s`: older samples (seconds since the epoch) say nothing, because the region changed then.
    """
    from muster.platform.metrics import MetricsError, believed, newest_s

    target = platform.target
    selector = target.signals.get(SIGNAL)
    if selector is None:
        raise FaultError(f"target {target.name}: signals.{SIGNAL} is not set")
    scrape_s, delay_s = target.prometheus.scrape_interval_s, target.prometheus.delay_s
    try:
        series = believed(platform.metrics, SIGNAL, selector, max(5.0, 5 * scrape_s) + delay_s)
    except MetricsError as error:
        said = str(error).removeprefix(f"signals.{SIGNAL}: ")
        raise FaultError(f"signals.{SIGNAL}: {said}") from error
    newest = newest_s(series) or 0.0
    live = [
        one.v[-1]
        for one in series
        if one.labels.get("region") == region
        and one.t_s
        and one.t_s[-1] >= max(newest - LIVE_SCRAPES * scrape_s, since_s)
    ]
    known = [value for value in live if value is not None]
    if not known or len(known) != len(live):
        raise FaultError(f"signals.{SIGNAL}: {selector} returns no current series of {region}")
    return sum(known)


def is_back(limit: float, before: float) -> bool:
    """Whether `limit` is at least `before`, except for rounding."""
    return limit >= before * (1 - TOLERANCE)
