"""Reads one replica of an HA pair that scrapes the same processes, so that nothing is counted
twice.

The samples of both carry one additional label (`prometheus_replica`). Taken together they would
double every sum; a mixture of both would jump between two clocks. So one replica is read for as
long as it returns a series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from muster.platform.metrics.model import RawSeries

Group = tuple[str, str, tuple[tuple[str, str], ...]]
Replica = tuple[str, ...]


@dataclass
class Replicas:
    """Drops `labels`; of series that differ only in them it returns those of one replica."""

    labels: tuple[str, ...]
    _chosen: dict[Group, Replica] = field(default_factory=dict)

    def one_of_each(self, series: Iterable[RawSeries]) -> list[RawSeries]:
        """Every series without the labels, once."""
        groups: dict[Group, dict[Replica, RawSeries]] = {}
        for one in series:
            labels = {key: text for key, text in one.labels.items() if key not in self.labels}
            group = one.signal, one.name, tuple(sorted(labels.items()))
            replica = tuple(one.labels.get(key, "") for key in self.labels)
            bare = RawSeries(one.signal, one.name, labels, one.t_s, one.v)
            groups.setdefault(group, {})[replica] = bare
        return [found[self._choice(group, found)] for group, found in groups.items()]

    def one_value_each(
        self, found: Iterable[tuple[Mapping[str, str], float | None]]
    ) -> list[tuple[Mapping[str, str], float | None]]:
        """Every series of an instant query without the labels, once, with the first replica's
        value.
        """
        values: dict[tuple[tuple[str, str], ...], float | None] = {}
        for labels, value in found:
            bare = tuple(
                sorted((key, text) for key, text in labels.items() if key not in self.labels)
            )
            values.setdefault(bare, value)
        return [(dict(labels), value) for labels, value in values.items()]

    def _choice(self, group: Group, found: Mapping[Replica, RawSeries]) -> Replica:
        """The same replica as before while it has samples; else the one with the most, then the
        newest.
        """
        chosen = self._chosen.get(group)
        if chosen is None or chosen not in found or not found[chosen].t_s:
            chosen = max(found, key=lambda one: (len(found[one].t_s), found[one].t_s[-1:], one))
            self._chosen[group] = chosen
        return chosen
