"""Maps a platform's series to a signal of Muster. Pure, and the only place that does it.

It fails closed. If anything does not fit the mapping (a label that is missing, a value that no map
names, two series that become one without a rule that tells them apart), the whole signal is
refused: none of its series is returned, so the signal is unknown, and the reason names what was
seen.

- Only samples of one scrape are combined: those of one process with the same time. If a part of a
  sum has no sample at that time, the sum has none either.
- Series that differ only in labels that the target drops are added up (for a queue's age, a circuit
  and a build the largest value counts). Labels of a Prometheus' replicas are never dropped.
- Times are the scrapes' own. Units are converted exactly: a bucket of 2500 ms is one of 2.5 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from muster.platform.metrics.model import RawSeries
from muster.platform.metrics.together import Points, Refusal, added, one_source, summed
from muster.platform.metrics.translate import Head, head_of, seconds_of
from muster.samples.doubled import REPLICA_LABELS
from muster.targets.signals import MappedSignal

NAMED_MAX = 4
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reading:
    """The series of a signal. `refused`: why none of it can be trusted; then `series` is empty.

    `lacking`: what the mapping needs and some processes do not export, for a person to read.
    `names`: the metrics as the platform names them.
    """

    series: list[RawSeries]
    refused: str = ""
    lacking: str = ""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Group:
    """Platform series that are one series in Muster, combined."""

    head: Head
    points: Points


Groups = dict[tuple[str, Pairs], _Group]
"""The key of a series in Muster: the suffix of a histogram's name, and Muster's labels."""


def mapped(signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]) -> Reading:
    """Map `answers`, one for each of `how.selectors` in order, to series of `signal`."""
    names = frozenset(raw.name for answer in answers for raw in answer)
    try:
        groups, lacking = _with_terms(signal, how, answers)
        shown = (_shown(signal, how, group) for group in groups.values())
        return Reading([one for one in shown if one.t_s], lacking=lacking, names=names)
    except Refusal as refused:
        return Reading([], str(refused), names=names)


def _with_terms(
    signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]
) -> tuple[Groups, str]:
    """The result of `select` with every term added, and what is missing. Raises Refusal."""
    selected = len(how.select)
    groups = _grouped(signal, how, answers[:selected])
    lacking = ""
    for index, answer in enumerate(answers[selected:]):
        sign = 1.0 if index < len(how.plus) else -1.0
        terms = _grouped(signal, how, [answer])
        whole: Groups = {}
        for key, group in groups.items():
            term = terms.get(key)
            if term is None:
                missing = f"{how.selectors[selected + index]} shows nothing of {said(group.head)}"
                lacking = lacking or missing
                continue
            points = added(group.points, term.points, sign)
            if points is None:
                raise Refusal(
                    f"{said(group.head)} and {said(term.head)} are scraped at different moments: "
                    "only gauges of one process can be added or subtracted"
                )
            whole[key] = replace(group, points=points)
        groups = whole
    return groups, lacking


def _grouped(signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]) -> Groups:
    """The series of `answers`, combined where several are one. Raises Refusal."""
    parts: dict[Head, dict[Pairs, list[Points]]] = {}
    horizons = _horizons(signal, how, answers) if len(answers) > 1 else {}
    for answer in answers:
        for raw in answer:
            head, source = head_of(signal, how, raw.name, raw.labels)
            points = _points(how, raw, horizons.get(head.owner))
            if points[0]:
                parts.setdefault(head, {}).setdefault(source, []).append(points)
    found: Groups = {}
    for head, sources in parts.items():
        rows = [one_source(own) for own in sources.values()]
        group = _Group(head, summed(signal, said(head), rows))
        known = found.get(head.key)
        found[head.key] = group if known is None else _after(known, group)
    return found


def _after(one: _Group, other: _Group) -> _Group:
    """Join two groups that are one series in Muster, one after the other, as after an upgrade.

    Raises Refusal if both exist at the same time.
    """
    first, second = sorted((one, other), key=lambda group: group.points[0][0])
    if second.points[0][0] <= first.points[0][-1]:
        raise Refusal(_apart(first.head, second.head))
    (t1, v1), (t2, v2) = first.points, second.points
    return replace(second, points=((*t1, *t2), (*v1, *v2)))


def _points(how: MappedSignal, raw: RawSeries, until_s: float | None) -> Points:
    """The usable samples of a series."""
    times, values = raw.t_s, raw.v
    if until_s is not None and times and times[-1] > until_s:
        count = sum(1 for t in times if t <= until_s)
        times, values = times[:count], values[:count]
    if how.value is not None and raw.name == "up":
        # A failed scrape says nothing about the values that the process has.
        kept = [(t, v) for t, v in zip(times, values, strict=True) if v != 0]
        times, values = tuple(t for t, _ in kept), tuple(v for _, v in kept)
    return times, values


def _horizons(
    signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]
) -> Mapping[Pairs, float]:
    """By process, the newest scrape that every answer with that process can have included.

    A scrape may be stored between two queries; then the first answer lacks it.
    """
    found: dict[Pairs, float] = {}
    for answer in answers:
        newest: dict[Pairs, float] = {}
        for raw in answer:
            if raw.t_s:
                owner = head_of(signal, how, raw.name, raw.labels)[0].owner
                newest[owner] = max(newest.get(owner, raw.t_s[-1]), raw.t_s[-1])
        for owner, t_s in newest.items():
            found[owner] = min(found.get(owner, t_s), t_s)
    return found


def _shown(signal: str, how: MappedSignal, group: _Group) -> RawSeries:
    """A group as one of Muster's series, with values in Muster's unit. Raises Refusal."""
    head, (times, values) = group.head, group.points
    if how.value is not None:
        values = tuple(None if v is None else _constant(how, head) for v in values)
    elif how.values is not None:
        values = tuple(None if v is None else _state(how.values, head, v) for v in values)
    elif how.unit != "s" and head.in_seconds(signal):
        values = tuple(None if v is None else seconds_of(v, how.unit) for v in values)
    return RawSeries(signal, head.name, {**dict(head.rest), **dict(head.labels)}, times, values)


def _state(values: Mapping[float, float], head: Head, value: float) -> float:
    if value not in values:
        named = ", ".join(f"{one:g}" for one in values)
        raise Refusal(f"{said(head)} shows {value:g}, and values names only {named}")
    return values[value]


def _constant(how: MappedSignal, head: Head) -> float | None:
    if not isinstance(how.value, dict):
        return how.value
    region = dict(head.labels).get("region", "")
    if region not in how.value:
        named = ", ".join(how.value)
        raise Refusal(f'{said(head)} is of region "{region}", and value names only {named}')
    return how.value[region]


def _apart(one: Head, other: Head) -> str:
    """For two series that are one in Muster: which of the platform's labels tells them apart."""
    a, b = ({**dict(head.rest), "__name__": head.name} for head in (one, other))
    differ = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    what = ", ".join(
        f'{name} ("{a.get(name, "")}" and "{b.get(name, "")}")' for name in differ[:NAMED_MAX]
    )
    if set(differ) & set(REPLICA_LABELS):
        return f"{said(one)} is there twice, by {what}: select one of them"
    return (
        f"{said(one)} is there twice, told apart by {what}: name that label in owner if it "
        "tells processes apart, in drop if its values are to be added up, or select one"
    )


def said(head: Head) -> str:
    """The series as text: `NAME{region="a", …}`."""
    shown = ", ".join(f'{name}="{value}"' for name, value in head.labels[:NAMED_MAX])
    return f"{head.name}{{{shown}}}"
