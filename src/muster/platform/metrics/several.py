"""Queries several servers as one, for example one in each region.

Every server must answer, because what one server does not return may be what matters. A series that
two servers return is refused, because nothing says whether it is one or two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from muster.platform.metrics.model import Metrics, MetricsError, RawSeries
from muster.platform.metrics.poller import key_of


@dataclass(frozen=True)
class Member:
    """One server, its name in the target, and the labels that its platform series get."""

    name: str
    metrics: Metrics
    labels: Mapping[str, str]

    def labelled(self, series: RawSeries) -> RawSeries:
        """Add the labels to each of `series` that lacks them; a label that it has stays."""
        labels = {**self.labels, **series.labels}
        return RawSeries(series.signal, series.name, labels, series.t_s, series.v)


class Several(Metrics):
    """All `members` as one server; `own` are the load's signals, which get no labels."""

    def __init__(self, members: list[Member], own: frozenset[str]) -> None:
        self.url = ", ".join(one.metrics.url for one in members)
        self._members, self._own = members, own

    def close(self) -> None:
        for one in self._members:
            one.metrics.close()

    def ready(self) -> None:
        for one in self._members:
            one.metrics.ready()

    def raw(
        self, signal: str, selector: str, window_s: float, at_s: float | None = None
    ) -> list[RawSeries]:
        found: list[RawSeries] = []
        shown_by: dict[object, str] = {}
        for member in self._members:
            for one in member.metrics.raw(signal, selector, window_s, at_s):
                series = one if signal in self._own else member.labelled(one)
                first = shown_by.setdefault(key_of(series), member.name)
                if first != member.name:
                    shown = ", ".join(f'{key}="{text}"' for key, text in series.labels.items())
                    raise MetricsError(
                        f"servers {first} and {member.name} both return {series.name}{{{shown}}}: "
                        f"a label in prometheus.servers.{member.name}.labels must tell them apart"
                    )
                found.append(series)
        return found

    def instant(self, query: str) -> list[tuple[Mapping[str, str], float | None]]:
        return [
            ({**member.labels, **labels}, value)
            for member in self._members
            for labels, value in member.metrics.instant(query)
        ]
