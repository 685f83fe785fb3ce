"""The port that returns what was scraped, and when.

An adapter returns raw samples with the scrape's own timestamps; the caller computes differences.
Creating it sends no request. Every call has a time limit and raises MetricsError if the server does
not answer, answers in part, or answers anything but samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from muster.platform.port import PortError


class MetricsError(PortError):
    """The metrics server did not answer with samples. `timed_out`: it did not answer in time."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(frozen=True)
class RawSeries:
    """One series of one signal. `t_s`: scrape times, seconds since the epoch; `v`: None for NaN."""

    signal: str
    name: str
    labels: Mapping[str, str]
    t_s: tuple[float, ...]
    v: tuple[float | None, ...]


def newest_s(series: list[RawSeries]) -> float | None:
    """When the newest of these samples was scraped, in seconds since the epoch; None if there is no
    sample.
    """
    return max((one.t_s[-1] for one in series if one.t_s), default=None)


class Metrics(ABC):
    """A server that stores what was scraped from the platform and from the load."""

    url: str

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def ready(self) -> None:
        """Raises MetricsError unless the server reports that it can answer queries."""

    @abstractmethod
    def raw(
        self, signal: str, selector: str, window_s: float, at_s: float | None = None
    ) -> list[RawSeries]:
        """Return what was scraped for `selector` in the last `window_s` seconds (before `at_s`, if
        given).

        An empty list means that no series exists: no data, never zero.
        """

    @abstractmethod
    def instant(self, query: str) -> list[tuple[Mapping[str, str], float | None]]:
        """Labels and value of each series that the query returns."""
