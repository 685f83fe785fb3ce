"""Series of theirs to a signal of Muster's: pure, and the one place where that is done.

It fails closed. What does not fit the mapping whole (a label that is not there, a value that no map
names, two series that become one though nothing says what tells them apart) refuses the signal:
none of its series is handed on, so that all of it is unknown, and the reason names what was seen.

- Only samples of one scrape are put together: those of one process with the same time. A sum of
  which a part has no sample at that time has none either.
- What differs only in labels that the target drops is added up (of a queue's age, a circuit and a
  build the largest counts). Labels of a Prometheus' replicas are never dropped.
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
    """What a signal shows. `refused`: why nothing of it can be believed; then `series` is empty.

    `lacking`: what the mapping needs and some processes do not show, for a person to read. `names`:
    the metrics as the platform names them.
    """

    series: list[RawSeries]
    refused: str = ""
    lacking: str = ""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Group:
    """Series of theirs that are one for Muster, put together."""

    head: Head
    points: Points


Groups = dict[tuple[str, Pairs], _Group]
"""By what a series is for Muster: the end of a histogram's name, and Muster's labels."""


def mapped(signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]) -> Reading:
    """`answers`, one for each of `how.selectors` in order, as series of `signal`."""
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
    """What `select` shows with every term added, and what lacks. Raises Refusal."""
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
                    "only gauges of one process can be added and taken off"
                )
            whole[key] = replace(group, points=points)
        groups = whole
    return groups, lacking


def _grouped(signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]) -> Groups:
    """The series of `answers`, those that are one put together. Raises Refusal."""
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
    """Of two groups that are one for Muster: one after the other, as after an upgrade.

    Raises Refusal where both are there at once.
    """
    first, second = sorted((one, other), key=lambda group: group.points[0][0])
    if second.points[0][0] <= first.points[0][-1]:
        raise Refusal(_apart(first.head, second.head))
    (t1, v1), (t2, v2) = first.points, second.points
    return replace(second, points=((*t1, *t2), (*v1, *v2)))


def _points(how: MappedSignal, raw: RawSeries, until_s: float | None) -> Points:
    """A series' samples, as far as they can be used."""
    times, values = raw.t_s, raw.v
    if until_s is not None and times and times[-1] > until_s:
        count = sum(1 for t in times if t <= until_s)
        times, values = times[:count], values[:count]
    if how.value is not None and raw.name == "up":
        # A process that was not reached does not hold what it holds when it is there.
        kept = [(t, v) for t, v in zip(times, values, strict=True) if v != 0]
        times, values = tuple(t for t, _ in kept), tuple(v for _, v in kept)
    return times, values


def _horizons(
    signal: str, how: MappedSignal, answers: Sequence[Sequence[RawSeries]]
) -> Mapping[Pairs, float]:
    """By process, the newest scrape that every answer which shows it can have seen.

    A scrape may be stored between two questions: the first one's answer is without it.
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
    """A group as a series of Muster's, its values in Muster's unit. Raises Refusal."""
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
    """Two series that are one for Muster: which label of theirs tells them apart."""
    a, b = ({**dict(head.rest), "__name__": head.name} for head in (one, other))
    differ = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    what = ", ".join(
        f'{name} ("{a.get(name, "")}" and "{b.get(name, "")}")' for name in differ[:NAMED_MAX]
    )
    if set(differ) & set(REPLICA_LABELS):
        return f"{said(one)} is there twice, by {what}: select one of them"
    return (
        f"{said(one)} is there twice, told apart by {what}: name that in owner if it tells "
        "processes apart, in drop if its values are added up, or select one"
    )


def said(head: Head) -> str:
    """For a reader: `NAME{region="a", …}`."""
    shown = ", ".join(f'{name}="{value}"' for name, value in head.labels[:NAMED_MAX])
    return f"{head.name}{{{shown}}}"
