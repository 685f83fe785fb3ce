"""Signals: PromQL in, raw samples out."""

from muster.platform.metrics.poller import Poller, key_of, late_seconds
from muster.platform.metrics.prometheus import Prometheus, PrometheusError, RawSeries, partial

__all__ = [
    "Poller",
    "Prometheus",
    "PrometheusError",
    "RawSeries",
    "key_of",
    "late_seconds",
    "partial",
]
