"""Reads the series of all known products from Prometheus, with a bounded number of queries.

The first query counts the series of every metric in the presets. Then one query reads each metric
that exists, unless it has too many series.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from urllib.parse import urlsplit

from muster.platform.metrics import Metrics
from muster.platform.metrics.reading import SERIES_MAX

NAME = "__name__"
LOOK_BACK_S = 120.0


@dataclass(frozen=True)
class One:
    """One series: its labels without the metric name, and its present value (None: NaN)."""

    labels: Mapping[str, str]
    value: float | None


@dataclass(frozen=True)
class Seen:
    """Number of series and the series themselves, by metric.

    A metric with more than 10,000 series is only in `counts`.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    series: Mapping[str, tuple[One, ...]] = field(default_factory=dict)

    def of(self, metrics: Iterable[str]) -> Iterator[One]:
        """Every series of `metrics`."""
        for name in metrics:
            yield from self.series.get(name, ())

    @property
    def unread(self) -> dict[str, int]:
        """Metrics with too many series to read, and their number of series."""
        return {name: count for name, count in self.counts.items() if count > SERIES_MAX}


def own_address(url: str) -> str | None:
    """This machine's address on the way to the host of `url`; None: that host is not known here.

    Nothing is sent: a datagram socket that is connected only chooses the route.
    """
    host = urlsplit(url).hostname or ""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as routed:
            routed.connect(place)
            return str(routed.getsockname()[0])
    except OSError:
        return None


def scrape_interval_s(metrics: Metrics, names: Iterable[str]) -> float | None:
    """The scrape interval, in seconds, of the first metric that was scraped at least twice.

    None if no metric was scraped twice within two minutes. Raises MetricsError.
    """
    for name in names:
        series = metrics.raw(name, name, LOOK_BACK_S)
        apart = [b - a for one in series for a, b in pairwise(one.t_s)]
        if apart:
            return max(round(median(apart), 1), 0.1)
    return None


def look(metrics: Metrics, names: Iterable[str]) -> Seen:
    """Read the series of the metrics `names`. Raises MetricsError."""
    asked = "|".join(sorted(names))
    counts: dict[str, int] = {}
    for labels, value in metrics.instant(f'count by ({NAME}) ({{{NAME}=~"{asked}"}})'):
        # With several servers, each one contributes its own count.
        counts[labels[NAME]] = counts.get(labels[NAME], 0) + int(value or 0)
    series = {
        name: tuple(
            One({key: text for key, text in labels.items() if key != NAME}, value)
            for labels, value in metrics.instant(name)
        )
        for name in sorted(counts)
        if counts[name] <= SERIES_MAX
    }
    return Seen(counts, series)
