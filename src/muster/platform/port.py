"""What all ports share: their errors, what they touch, and how an adapter is found by its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import MusterError


class PortError(MusterError):
    """The platform did not answer, refused, or gave a wrong answer."""


class Denied(PortError):
    """The platform answered that this caller may not do it."""


@dataclass(frozen=True)
class Touch:
    """Something that a drill changes: `kind` is the key of `blast_radius` that must name it.

    `below`: an allowed name that covers this one too, because this one lies below it.
    """

    kind: Literal[
        "regions", "zones", "records", "proxies", "redis", "namespaces", "nodes", "commands"
    ]
    name: str
    below: str = ""


@dataclass(frozen=True)
class Unusable:
    """A setting that cannot work: its key in the adapter's section, its value, what is expected.

    It is found before anything is locked, so that no drill starts that could not be ended.
    """

    key: str
    value: object
    wanted: str

    def within(self, section: str) -> Unusable:
        """The same, by its key in the whole target."""
        return Unusable(f"{section}.{self.key}", self.value, self.wanted)

    def line(self) -> str:
        """The same as a line for a person."""
        return f"{self.key}: got {self.value!r}, expected {self.wanted}"


class Adapter:
    """What the adapters of every port that changes something report before a drill starts."""

    def touches(self) -> tuple[Touch, ...]:
        """What it changes besides the region or server itself. Sends no request, raises nothing."""
        return ()

    def unusable(self) -> Unusable | None:
        """Which of its settings cannot work on this machine. Sends no request, raises nothing.

        None if no such setting is known on this machine.
        """
        return None


class TimedAdapter(Adapter, ABC):
    """An adapter whose changes and looks have limits of time."""

    @property
    @abstractmethod
    def timeout_s(self) -> float:
        """How long one change may take, in seconds."""

    @property
    def look_s_max(self) -> float:
        """How long one look at the state may take besides any other of a fault, in seconds.

        0: no longer than any other.
        """
        return 0.0

    def rehearse(self) -> tuple[str, ...]:
        """What the platform would refuse of a change and of its undo, a line each.

        Asks without changing anything. Empty: nothing is known to be refused. Raises PortError.
        """
        return ()

    def rehearse_revert(self) -> tuple[str, ...]:
        """What the platform would refuse of the undo alone, a line each; the change may stand now.

        For whoever only restores, and so has fewer rights. Asks without changing anything, at least
        whether the adapter can be used here. Raises PortError, which says nothing of rights.
        """
        if found := self.unusable():
            return (found.line(),)
        self.see()
        return ()

    def see(self) -> None:
        """Look at the platform once: whoever may not look at it may not change it either.

        Raises PortError. Nothing, where there is nothing to look at or the rights are asked for.
        """


class RegionAdapter(TimedAdapter):
    """An adapter of one region. Creating it sends no request."""

    def __init__(self, region: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.region = region
        self.clock = clock


@dataclass(frozen=True)
class Other:
    """Somebody else who sets what a drill changes; `said` names him and what he does, in one line.

    `undoes`: whether he sets his own value over the drill's in mid-drill. None: nobody can tell.
    """

    said: str
    undoes: bool | None


@dataclass(frozen=True)
class Change:
    """The value before and after a change, in words."""

    before: str
    after: str


@dataclass(frozen=True)
class Proof:
    """What was observed of an effect. `proven` only if it was seen; `facts` carry units.

    `another`: what somebody else has set over the effect, from what to what; empty: nobody showed.
    """

    proven: bool
    why: str
    facts: dict[str, Any] = field(default_factory=dict)
    another: str = ""


def adapter(places: Mapping[str, str], kind: str) -> Any:
    """Return the class at `places[kind]`, written `module:Class`; it is imported only now, because
    it may be slow.

    A target's model allows exactly these kinds; a test compares both.
    """
    module, _, name = places[kind].partition(":")
    return getattr(import_module(module), name)
