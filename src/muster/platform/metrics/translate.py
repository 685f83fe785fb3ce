"""Translates one platform series to Muster's terms, by its name and labels alone.

Every poll returns the same series, and the meaning of their labels does not change, so each series
is translated once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cached_property, lru_cache

from muster.errors import nearest
from muster.platform.metrics.together import Refusal
from muster.samples.doubled import REPLICA_LABELS, SCRAPER_LABELS
from muster.targets.signals import (
    HISTOGRAMS,
    SECONDS,
    ConstantLabel,
    MappedSignal,
    TakenLabel,
    labels_of,
)

NAME = "__name__"
SUFFIXES = ("_bucket", "_count", "_sum")
KEPT_ALWAYS = frozenset({*REPLICA_LABELS, *SCRAPER_LABELS})
"""Labels that `drop: rest` keeps: series that differ only in them may be one series twice."""
NAMED_MAX = 6
HEADS_KEPT_MAX = 65536
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Head:
    """`labels`: Muster's own; `rest`: the other labels, which tell nothing apart."""

    name: str
    suffix: str
    labels: Pairs
    rest: Pairs

    @property
    def key(self) -> tuple[str, Pairs]:
        """The key of the series in Muster."""
        return self.suffix, self.labels

    @cached_property
    def owner(self) -> Pairs:
        """The process of the series."""
        return tuple(pair for pair in self.labels if pair[0] in ("region", "instance"))

    def in_seconds(self, signal: str) -> bool:
        """Whether its values are seconds and not a number of requests."""
        return self.suffix == "_sum" if signal in HISTOGRAMS else signal == "queue_age"


def head_of(
    signal: str, how: MappedSignal, name: str, labels: Mapping[str, str]
) -> tuple[Head, Pairs]:
    """Translate a series, and say which source it belongs to. Raises Refusal."""
    return _head_of(signal, _Same(how), name, tuple(labels.items()))


def seconds_of(value: float, unit: str) -> float:
    """`value` of that unit in seconds, rounded to the nearest number."""
    return float(Fraction(value) * Fraction(SECONDS[unit]))


class _Same:
    """A mapping as a key of the cache. It is frozen, so the same object always means the same."""

    __slots__ = ("how",)

    def __init__(self, how: MappedSignal) -> None:
        self.how = how

    def __hash__(self) -> int:
        return id(self.how)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.how is self.how


@lru_cache(maxsize=HEADS_KEPT_MAX)
def _head_of(signal: str, same: _Same, name: str, pairs: Pairs) -> tuple[Head, Pairs]:
    how, theirs = same.how, dict(pairs)
    suffix = ""
    if signal in HISTOGRAMS:
        suffix = next((end for end in SUFFIXES if name.endswith(end)), "")
    base = name.removesuffix(suffix)
    theirs[NAME] = base
    ours, taken = _ours(signal, how, theirs, name)
    if NAME in how.drop or how.drop == "rest":
        base = signal
    edge = _edge(ours.get("le", theirs.get("le")), how, name)
    if edge is not None:
        ours["le"] = edge
    taken |= {"le"}
    rest = {k: v for k, v in theirs.items() if k not in taken and k != NAME}
    kept = tuple(sorted((k, v) for k, v in rest.items() if not _dropped(how, k)))
    source = tuple(sorted({**theirs, **({} if edge is None else {"le": edge})}.items()))
    return Head(base + suffix, suffix, tuple(sorted(ours.items())), kept), source


def _ours(
    signal: str, how: MappedSignal, theirs: Mapping[str, str], name: str
) -> tuple[dict[str, str], set[str]]:
    """Muster's labels, and the platform's labels from which they were taken."""
    ours: dict[str, str] = {}
    taken: set[str] = set()
    for label, said in how.labels.items():
        if isinstance(said, ConstantLabel):
            ours[label] = said.constant
            continue
        source = said.from_ if isinstance(said, TakenLabel) else said
        value = _value_of(source, theirs, name, f"labels.{label}")
        ours[label] = _meant(said, value, name, label) if isinstance(said, TakenLabel) else value
        taken.add(source)
    if how.owner:
        ours["instance"] = "/".join(_value_of(one, theirs, name, "owner") for one in how.owner)
        taken.update(how.owner)
    for label in labels_of(signal):
        if label not in ours and label in theirs:
            ours[label] = theirs[label]
            taken.add(label)
    return ours, taken


def _value_of(label: str, theirs: Mapping[str, str], name: str, key: str) -> str:
    value = theirs.get(label, "")
    if not value:
        near = nearest(label, [one for one in theirs if one != NAME])
        raise Refusal(f"{key}: {name} has no label {label}{near}")
    return value


def _meant(said: TakenLabel, value: str, name: str, label: str) -> str:
    if said.values is None:
        return value
    if value in said.values:
        return said.values[value]
    if said.others == "keep":
        return value
    named = ", ".join(list(said.values)[:NAMED_MAX])
    raise Refusal(
        f'labels.{label}: {name} shows {said.from_}="{value}", and values names only {named}'
    )


def _edge(le: str | None, how: MappedSignal, name: str) -> str | None:
    """A bucket's edge in seconds, in one notation; None if it is not a bucket."""
    if le is None:
        return None
    try:
        edge = Decimal(le)
        if edge.is_nan():
            raise InvalidOperation
    except InvalidOperation:
        raise Refusal(f'{name} has le="{le}", which is not a number') from None
    if edge.is_infinite():
        return "+Inf"
    return repr(float(Fraction(edge) * Fraction(SECONDS[how.unit])))


def _dropped(how: MappedSignal, label: str) -> bool:
    if how.drop == "rest":
        return label not in KEPT_ALWAYS
    return label in how.drop and label not in REPLICA_LABELS
