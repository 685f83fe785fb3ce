"""Every metrics adapter, one line each."""

from __future__ import annotations

from muster.platform.metrics.model import Metrics
from muster.platform.metrics.reach import reach_of
from muster.platform.metrics.several import Member, Several
from muster.platform.port import adapter
from muster.targets.model import Target
from muster.targets.prometheus import PrometheusAccess, ServerAccess
from muster.targets.signals import SIGNALS_CLIENT, SIGNALS_DEFAULT

METRICS = {"prometheus": "muster.platform.metrics.prometheus:Prometheus"}


def metrics_of(target: Target) -> Metrics:
    """The adapter for a target's `prometheus` section: one server, or several as one.

    Raises BadInput for certificates that cannot be read and for missing credentials.
    """
    return metrics_by(target.prometheus, f"target {target.name}")


def metrics_by(access: PrometheusAccess, file: str) -> Metrics:
    """The adapter of the section `prometheus` of `file`. Raises BadInput as `metrics_of` does."""
    kind = adapter(METRICS, access.kind)

    def made(server: ServerAccess, url: str, where: str) -> Metrics:
        reach = reach_of(server, file, where, url)
        one: Metrics = kind(url, access.timeout_s, reach, access.drop_labels)
        return one

    if access.url is not None:
        return made(access, access.url, "prometheus")
    members = [
        Member(name, made(server, server.url, f"prometheus.servers.{name}"), server.labels)
        for name, server in access.servers.items()
    ]
    return Several(members, frozenset((*SIGNALS_CLIENT, *SIGNALS_DEFAULT)))
