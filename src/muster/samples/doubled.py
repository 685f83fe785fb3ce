"""Finds series that exist twice because two replicas or two jobs of a Prometheus scraped them.

Added up, every count, stream and stream limit would be doubled: the survivor would seem to have
room for twice as many streams as it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

REPLICA_LABELS = (
    "prometheus_replica",
    "__replica__",
    "receive_replica",
    "rule_replica",
    "thanos_replica",
)
"""Labels that only tell the replicas of a Prometheus apart, and no part of the platform."""
SCRAPER_LABELS = ("job", "prometheus", "replica", "cluster", "monitor")
"""These may tell parts of the platform apart, but not within one and the same instance."""
BESIDE_LABELS = ("service", "endpoint")
"""The operator of Prometheus sets these with the job, whose name is often the service's."""
TWINS_MIN = 6
"""This many different counters are not equal to the last digit by chance."""
Labels = Mapping[str, str]


def doubled_label(every: Iterable[Labels]) -> tuple[str, tuple[str, ...]] | None:
    """The label that makes one series of a signal appear as several, and its values; else None.

    They may differ in several such labels at once. A label that one series lacks counts as empty,
    as in Prometheus.
    """
    found: dict[frozenset[tuple[str, str]], list[Labels]] = {}
    for labels in every:
        about = {*REPLICA_LABELS}
        if "instance" in labels:
            about |= {*SCRAPER_LABELS, *BESIDE_LABELS}
        rest = frozenset((k, v) for k, v in labels.items() if k not in about)
        found.setdefault(rest, []).append(labels)
    for label in (*REPLICA_LABELS, *SCRAPER_LABELS):
        for own in found.values():
            values = {labels.get(label, "") for labels in own}
            if len(values) > 1:
                return label, tuple(sorted(values))
    return None


def twin_label(
    every: Sequence[tuple[Labels, float]], apart: Iterable[str]
) -> tuple[str, tuple[str, ...]] | None:
    """A label whose values have counters equal to the last digit, so one process twice; else None.

    `every`: labels and newest value of each counter of a signal; `apart`: labels that tell one
    process's counters apart. Small counts, or few counters, may be equal by chance.
    """
    names = sorted({name for labels, _ in every for name in labels} - set(apart))
    for name in names:
        rows: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for labels, value in every:
            if name in labels:
                rest = frozenset((k, v) for k, v in labels.items() if k != name)
                rows.setdefault(labels[name], {})[rest] = value
        values = sorted(rows)
        for index, one in enumerate(values):
            for other in values[index + 1 :]:
                if rows[one] == rows[other] and len(set(rows[one].values()) - {0.0}) >= TWINS_MIN:
                    return name, (one, other)
    return None
