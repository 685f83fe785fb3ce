"""The streams that a region says it can hold, read from the platform's own series.

The limit is read before a region is stopped and kept in the undo log. Any process that restores the
region, on any machine, then knows how much capacity must come back.
"""

from __future__ import annotations

from muster.faults.back import SCRAPES
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


class Room:
    """The stream limit of a region: before it was stopped, and since it was started again."""

    def __init__(self, platform: Platform, region: str, before: float | None = None) -> None:
        self._platform = platform
        self._region = region
        self.before = before
        self._lit_s: float | None = None

    def remember(self) -> None:
        """Read the limit before a stop; None if it cannot be read."""
        try:
            self.before = streams_limit(self._platform, self._region)
        except FaultError:
            self.before = None

    def lit(self) -> None:
        """The region was started at this moment."""
        self._lit_s = self._platform.clock.now_s()

    def now(self) -> float:
        """The limit, where samples come late only by those since the start. Raises FaultError.

        Samples of before the fault would show it whole while it is dark. A process that did not
        start it takes its own first look as the start.
        """
        if self._lit_s is None:
            self.lit()
        late = self._platform.target.prometheus.delay_s
        return streams_limit(self._platform, self._region, (self._lit_s or 0.0) if late else 0.0)

    def both(self) -> tuple[float | None, float | None]:
        """The limit before the fault and now; None: not read."""
        try:
            return self.before, self.now()
        except FaultError:
            return self.before, None

    def look(self, autoscaled: bool) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """What is expected, what shows, and whether that is less; no words if nothing was before.

        `autoscaled`: an autoscaler decides how many processes there are, and thereby the limit.
        """
        if self.before is None:
            return (), (), False
        expected = (f"room for {self.before:.0f} streams",)
        try:
            limit = self.now()
        except FaultError as error:
            if self._samples_to_come():
                return expected, ("room for streams not shown yet",), True
            return expected, (f"room for streams not read ({error})",), False
        short = not is_back(limit, self.before) and not autoscaled
        return expected, (f"room for {limit:.0f} streams",), short

    def _samples_to_come(self) -> bool:
        """Whether what was scraped since the start may be on its way still."""
        access, now_s = self._platform.target.prometheus, self._platform.clock.now_s()
        late_s = access.delay_s and access.delay_s + SCRAPES * access.scrape_interval_s
        return self._lit_s is not None and now_s < self._lit_s + late_s
