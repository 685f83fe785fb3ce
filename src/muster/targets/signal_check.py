"""Checks a target's signals against Muster's signals and the target's own regions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from muster.errors import BadInput, nearest
from muster.targets.declared import DECLARABLE
from muster.targets.signals import (
    OWN_SIGNAL,
    SIGNALS_CLIENT,
    SIGNALS_KNOWN,
    SIGNALS_SERVER,
    STATED,
    STATES,
    SUMMED,
    TIMED,
    ConstantLabel,
    MappedSignal,
    TakenLabel,
    labels_of,
)

ZERO_OR_ONE = frozenset({"circuit_open", "region_ready", "gateway_health"})


def name_problems(signals: Mapping[str, object], file: Path | str) -> Iterator[BadInput]:
    """Names that no signal has, and judged signals that the target does not name."""
    missing = [name for name in (*SIGNALS_SERVER, *SIGNALS_CLIENT) if name not in signals]
    for name, value in signals.items():
        if name not in SIGNALS_KNOWN and not re.match(OWN_SIGNAL, str(name)):
            # A missing signal may be one whose name is misspelt here.
            near = nearest(str(name), missing) or nearest(str(name), SIGNALS_KNOWN)
            wanted = f"one of the signals {', '.join(sorted(SIGNALS_KNOWN))}, or x_NAME{near}"
            yield BadInput(file, f"signals.{name}", value, wanted)
    for name in missing:
        wanted = "a PromQL selector: it is judged"
        if name in DECLARABLE:
            wanted += "; or {none: the reason} where the platform has no such thing"
        yield BadInput(file, f"signals.{name}", None, wanted)


def mapping_problems(
    signals: Mapping[str, object], regions: Iterable[str], file: Path | str
) -> Iterator[BadInput]:
    """Everything that is wrong in the mappings of a target with those regions."""
    names = list(regions)
    for signal, how in signals.items():
        if isinstance(how, MappedSignal):
            for key, value, wanted in _misfits(signal, how, names):
                yield BadInput(file, f"signals.{signal}.{key}", value, wanted)


Misfit = tuple[str, object, str]
"""The key below the signal, its value, and what was expected."""


def _misfits(signal: str, how: MappedSignal, regions: list[str]) -> Iterator[Misfit]:
    own = signal.startswith("x_")
    if not how.select:
        yield "select", None, "a PromQL selector, or a list of them"
    yield from _labels(signal, how, regions)
    yield from _processes(how)
    if how.unit != "s" and signal not in TIMED and not own:
        yield "unit", how.unit, f"none: only {_listed(TIMED)} are times"
    if how.values is not None and signal not in STATES and not own:
        yield "values", how.values, f"none: only {_listed(STATES)} are states"
    for theirs, value in (how.values or {}).items():
        if signal in ZERO_OR_ONE and value not in (0, 1):
            yield f"values.{theirs:g}", value, "0 or 1"
    yield from _sums(signal, how, own)
    yield from _constant(signal, how, regions, own)


def _labels(signal: str, how: MappedSignal, regions: list[str]) -> Iterator[Misfit]:
    known = labels_of(signal)
    for label, said in how.labels.items():
        key = f"labels.{label}"
        if label not in known:
            wanted = f"one of the labels of {signal}: {_listed(known)}{nearest(label, known)}"
            yield key, _written(said), wanted
        if isinstance(said, TakenLabel) and said.values is None and said.others == "keep":
            yield f"{key}.others", said.others, "values beside it: without them all are kept"
        if label == "region":
            yield from _regions(key, said, regions)


def _regions(key: str, said: object, regions: list[str]) -> Iterator[Misfit]:
    named: Mapping[str, str] = {}
    if isinstance(said, TakenLabel):
        named = {f"{key}.values.{theirs}": value for theirs, value in (said.values or {}).items()}
    elif isinstance(said, ConstantLabel):
        named = {f"{key}.constant": said.constant}
    for where, value in named.items():
        if value not in regions:
            near = nearest(value, regions)
            yield where, value, f"one of the regions {', '.join(regions)}{near}"


def _processes(how: MappedSignal) -> Iterator[Misfit]:
    if how.owner and "instance" in how.labels:
        wanted = "only one of owner and labels.instance: both define what counts as one process"
        yield "owner", list(how.owner), wanted
    if how.drop == "rest":
        return
    named = {_from(said) for said in how.labels.values()} | set(how.owner)
    for index, label in enumerate(how.drop):
        if label in named:
            yield f"drop.{index}", label, "a label that neither labels nor owner name"
        elif label in ("le", "region", "instance"):
            yield f"drop.{index}", label, "another label: Muster reads this one"


def _sums(signal: str, how: MappedSignal, own: bool) -> Iterator[Misfit]:
    for key, selectors in (("plus", how.plus), ("minus", how.minus)):
        if selectors and signal not in SUMMED and not own:
            yield key, list(selectors), f"none: only {_listed(SUMMED)} are made of several gauges"
        if selectors and (how.value is not None or how.values is not None):
            yield key, list(selectors), "no value and no values beside it"


def _constant(signal: str, how: MappedSignal, regions: list[str], own: bool) -> Iterator[Misfit]:
    if how.value is None:
        return
    if signal not in STATED and not own:
        wanted = (
            f"a selector: only {_listed(STATED)} is a setting; every other signal must be measured"
        )
        yield "value", how.value, wanted
    if how.values is not None:
        yield "value", how.value, "one of value and values"
    stated = how.value if isinstance(how.value, dict) else {}
    for region in stated:
        if region not in regions:
            near = nearest(region, regions)
            yield f"value.{region}", stated[region], f"a region: {', '.join(regions)}{near}"
    missing = [region for region in regions if region not in stated]
    if stated and missing:
        yield f"value.{missing[0]}", None, "a number for each region"
    numbers = stated.values() if stated else [how.value]
    for number in numbers:
        if isinstance(number, float) and number < 0:
            yield "value", number, "0 or more"


def _from(said: object) -> str:
    if isinstance(said, TakenLabel):
        return said.from_
    return said if isinstance(said, str) else ""


def _written(said: object) -> object:
    if isinstance(said, TakenLabel | ConstantLabel):
        return said.model_dump(by_alias=True, exclude_defaults=True)
    return said


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
