"""Metrics: takes selectors, returns raw samples."""

from muster.platform.metrics.mapping import Reading
from muster.platform.metrics.model import Metrics, MetricsError, RawSeries, newest_s
from muster.platform.metrics.poller import Poller, key_of, late_seconds
from muster.platform.metrics.reading import believed, read
from muster.platform.metrics.registry import metrics_by, metrics_of

__all__ = [
    "Metrics",
    "MetricsError",
    "Poller",
    "RawSeries",
    "Reading",
    "believed",
    "key_of",
    "late_seconds",
    "metrics_by",
    "metrics_of",
    "newest_s",
    "read",
]
