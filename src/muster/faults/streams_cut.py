"""How many streams of a region broke, as the load's clients count them: the path of streams."""

from __future__ import annotations

from muster.faults.model import FaultError
from muster.platform import Platform

SIGNAL = "client_attempts"
SCRAPES = 10


def broken_streams(platform: Platform, region: str) -> float:
    """The count of broken streams of `region` since the load began. Raises FaultError.

    Without any attempt in the region the count is unknown, and not 0.
    """
    from muster.platform.metrics import MetricsError, believed

    access = platform.target.prometheus
    window_s = max(10.0, SCRAPES * access.scrape_interval_s) + access.delay_s
    try:
        series = believed(platform.metrics, SIGNAL, platform.target.signals[SIGNAL], window_s)
    except MetricsError as error:
        raise FaultError(f"signals.{SIGNAL}: {error}") from error
    own = [one for one in series if one.labels.get("region") == region and one.v]
    if not own:
        raise FaultError(f"signals.{SIGNAL}: no current series of {region}")
    broken = [one.v[-1] for one in own if one.labels.get("outcome") == "broken"]
    known = [value for value in broken if value is not None]
    if len(known) != len(broken):
        raise FaultError(f"signals.{SIGNAL}: no current value of {region}'s broken streams")
    return sum(known)
