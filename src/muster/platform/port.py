"""What all ports share: their errors, what they touch, and how an adapter is found by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from muster.errors import MusterError


class PortError(MusterError):
    """The platform did not answer, refused, or answered not as it must."""


@dataclass(frozen=True)
class Touch:
    """A thing that a drill changes: `kind` is the key of `blast_radius` that must name it.

    `below`: an allowed name that stands for this one too, since this one lies below it.
    """

    kind: Literal["regions", "zones", "records", "proxies", "namespaces", "commands"]
    name: str
    below: str = ""


@dataclass(frozen=True)
class Unusable:
    """A setting that cannot work: its key within the adapter's section, its value, what it must be.

    Found before anything is locked, so that nothing is started for a drill that could not end.
    """

    key: str
    value: object
    wanted: str

    def within(self, section: str) -> Unusable:
        """The same, by its key in the whole target."""
        return Unusable(f"{section}.{self.key}", self.value, self.wanted)


@dataclass(frozen=True)
class Other:
    """Somebody else who sets what a drill changes; `said` names him and what he does, in one line.

    `undoes`: whether he sets his own value over the drill's in mid-drill. None: nobody can tell.
    """

    said: str
    undoes: bool | None


@dataclass(frozen=True)
class Change:
    """From what to what a change goes, in words."""

    before: str
    after: str


@dataclass(frozen=True)
class Proof:
    """What was observed of an effect. `proven` only if it was seen; `facts` carry units."""

    proven: bool
    why: str
    facts: dict[str, Any] = field(default_factory=dict)


def adapter(places: Mapping[str, str], kind: str) -> Any:
    """The class at `places[kind]`, written `module:Class`; imported now, since it may be heavy.

    A target's model allows no other kinds than these; a test compares both.
    """
    module, _, name = places[kind].partition(":")
    return getattr(import_module(module), name)
