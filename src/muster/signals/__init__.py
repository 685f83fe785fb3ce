"""Signals: PromQL in, raw samples out."""

from muster.signals.poller import Poller, key_of, late_seconds
from muster.signals.prometheus import Prometheus, PrometheusError, RawSeries, partial

__all__ = [
    "Poller",
    "Prometheus",
    "PrometheusError",
    "RawSeries",
    "key_of",
    "late_seconds",
    "partial",
]
