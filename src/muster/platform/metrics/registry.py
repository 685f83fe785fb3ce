"""Every way to measure, a line each."""

from __future__ import annotations

from muster.platform.metrics.model import Metrics
from muster.platform.port import adapter
from muster.targets.model import Target

METRICS = {"prometheus": "muster.platform.metrics.prometheus:Prometheus"}


def metrics_of(target: Target) -> Metrics:
    """The adapter of a target's `prometheus` section."""
    access = target.prometheus
    made: Metrics = adapter(METRICS, access.kind)(access.url, access.timeout_s)
    return made
