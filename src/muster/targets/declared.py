"""What a target declares that its platform does not have: `queue_age: {none: "the reason"}`.

Muster does not ask for a declared signal. Findings and rules that depend on it are shown as
declared, with the reason: they are never judged, never passed and never guarded. A signal without
which no verdict is possible cannot be declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from muster.documents import Document
from muster.errors import BadInput, one_of


class NoSignal(Document):
    """The platform does not have this signal."""

    none: Annotated[str, Field(pattern=r"\S", max_length=300)] = Field(
        description="why the platform has no such thing, for the person who accepts it"
    )


@dataclass(frozen=True)
class Hanging:
    """What depends on a signal: findings by their SLO, and the rules that the guard then lacks."""

    findings: tuple[str, ...]
    unguarded: tuple[str, ...] = ()


DECLARABLE: Mapping[str, Hanging] = {
    "queue_age": Hanging(("queue_age", "recovery_quiet"), ("trigger:queue_age", "limit:queue_age")),
    "circuit_open": Hanging(("circuit_open", "recovery_quiet"), ("trigger:circuit_open",)),
    "admission_failures": Hanging(("recovery_quiet",), ("trigger:hard_failure",)),
    "streams_broken": Hanging(("streams_cut",)),
}
"""The signals that a platform may lack. The load cannot measure the others (room for streams, its
own lag, and so on), or without them nothing about a drill would be known.
"""
QUIET = ("circuit_open", "admission_failures", "queue_age")
"""Signals that must return to normal after a fault."""


def reason_of(value: object) -> str | None:
    """The reason in `{none: reason}` as a document holds it; None for anything else."""
    if isinstance(value, NoSignal):
        return value.none
    if isinstance(value, dict) and set(value) == {"none"}:
        reason = value["none"]
        return reason if isinstance(reason, str) and reason.strip() else None
    return None


def declared_in(signals: Mapping[str, Any]) -> dict[str, str]:
    """The signals that a target's section declares none, with the reasons.

    A signal that cannot be declared is left out: it then counts as missing, and is unknown.
    """
    found = {name: reason_of(value) for name, value in signals.items() if name in DECLARABLE}
    return {name: reason for name, reason in sorted(found.items()) if reason is not None}


def declared_problems(
    signals: Mapping[str, object], needed: Iterable[str], file: Path | str
) -> Iterator[BadInput]:
    """One line for each signal that is declared none but cannot be; `needed` ones must be named."""
    must = set(needed)
    for name, value in signals.items():
        reason = reason_of(value)
        if reason is None or name in DECLARABLE:
            continue
        others = ", ".join(DECLARABLE)
        wanted = f"how it is shown: a verdict rests on it; only {others} may be declared none"
        if name not in must:
            wanted = f"no such key: it may be left out; only {others} may be declared none"
        yield BadInput(file, f"signals.{name}", {"none": reason}, wanted)


def check_accepted(names: Iterable[str]) -> None:
    """Raises BadInput for a name that no target can declare none."""
    for name in names:
        if name not in DECLARABLE:
            wanted = one_of(name, DECLARABLE)
            raise BadInput("--accept", "", name, wanted)


def unguarded(declared: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By declared signal, the triggers and limits that cannot fire, as `trigger:NAME`."""
    return {name: DECLARABLE[name].unguarded for name in sorted(declared) if name in DECLARABLE}


def lines(declared: Mapping[str, str]) -> list[str]:
    """For each declared signal, one line that says what is not guarded and not judged."""
    told = []
    for name, reason in sorted(declared.items()):
        hanging = DECLARABLE[name]
        parts = []
        if hanging.unguarded:
            parts.append(f"not guarded: {', '.join(hanging.unguarded)}")
        parts.append(f"not judged: {', '.join(hanging.findings)}")
        told.append(f'declared none: {name} ("{reason}"): {"; ".join(parts)}')
    return told
