"""Removes ledger lines with missing or wrong fields before judging, and reports each of them.

A drill writes no such line, but an editor may, and so may another version of Muster. Whatever
depends on such a line is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from muster.judge.findings import from_json
from muster.ledger import LedgerRead
from muster.numbers import is_number

T_S_MAX = 2.5e11
"""The year 9999, in seconds since the epoch."""
TIME_SCALE_MAX = 120.0
"""No drill is planned with more."""
TOLD_MAX = 3
Event = Mapping[str, Any]


def shaped(ledger: LedgerRead) -> tuple[LedgerRead, list[str]]:
    """Return the ledger's readable events, and a message for each event that is not readable."""
    kept, told = [], []
    for number, event in enumerate(ledger.events, start=1):
        wrong = wrong_of(event)
        if wrong:
            told.append(f"ledger.jsonl: event {number} lacks a valid field: {wrong}")
        else:
            kept.append(event)
    starts = sum(event["event"] == "drill_started" for event in kept)
    if starts > 1:
        told.append(f"ledger.jsonl: {starts} events drill_started; a drill has one")
    more = len(told) - TOLD_MAX
    if more > 0:
        told = [*told[:TOLD_MAX], f"ledger.jsonl: and {more} more"]
    return replace(ledger, events=tuple(kept)), told


def wrong_of(event: Event) -> str:
    """What is wrong with one event; empty if nothing is."""
    kind = event.get("event")
    if not isinstance(kind, str):
        return "event"
    t_s = event.get("t")
    if not is_number(t_s) or not 0 <= t_s <= T_S_MAX:
        return f"{kind}: t"
    # A start without a key is judged as far as possible; one with an invalid value counts as no
    # start.
    must = _MUST.get(kind, {}).items()
    asked = [(key, fits) for key, fits in must if kind != "drill_started" or key in event]
    keys = (key for key, fits in asked if not fits(event.get(key)))
    return next((f"{kind}: {key}" for key in keys), "")


def _above_zero(value: object) -> bool:
    return is_number(value) and value > 0


def _time_scale(value: object) -> bool:
    return _above_zero(value) and value <= TIME_SCALE_MAX  # type: ignore[operator]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _items(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _or_none(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or fits(value)


def _range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_or_none(is_number), value))


def _finding(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts = all(_or_none(_text)(value.get(key)) for key in ("tier", "phase", "region"))
    keys = ("threshold", "measured", "margin", "samples")
    numbers = all(_or_none(is_number)(value.get(key)) for key in keys)
    ranges = all(_or_none(_range)(value.get(key)) for key in ("window", "bracket"))
    if not (texts and numbers and ranges):
        return False
    window = from_json(value).window
    return window is None or None not in window


_FAULT: Mapping[str, Callable[[object], bool]] = {"fault": _text, "region": _or_none(_text)}
_MUST: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "drill_started": {
        "drill": _text,
        "kind": _text,
        "gate": _text,
        "profile": _text,
        "regions": lambda value: _texts(value) and value != [],
        "platform_build": _or_none(_texts),
        "scrape_interval_s": _above_zero,
        "time_scale": _time_scale,
        "streams_target": _above_zero,
        "declared": lambda value: isinstance(value, dict) and all(map(_text, value.values())),
    },
    "phase_started": {"phase": _text, "tier": _or_none(_text)},
    "phase_ended": {"phase": _text},
    "finding": {"finding": _finding},
    "timing": {"name": _text, "value_s": _or_none(is_number)},
    "verify": {"readback": _or_none(_items), "commands": _or_none(_texts)},
    "fault_declared": _FAULT,
    "fault_proof": _FAULT,
}
"""Required fields and their types, for the events that a verdict reads."""
