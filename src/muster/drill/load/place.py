"""The port for where a load runs: as processes of this machine, or as pods of a cluster.

A place starts all parts of one load at one moment, tells when one of them is lost, and ends them.
The parts do not outlive both the drill and its watchdog.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from muster.load import LoadPlan


@dataclass(frozen=True)
class Handed:
    """What another process needs to keep the load alive and to end it.

    `pids`, `fds`: of processes here, and the descriptors that keep them alive; `elsewhere`: the
    uids of its Job and of the object with its orders, while the target says where they are. By
    their names the next drill's load would be taken for it.
    """

    pids: tuple[int, ...] = ()
    fds: tuple[int, ...] = ()
    elsewhere: tuple[str, str] | None = None


@dataclass(frozen=True)
class Begun:
    """What is known of a load that has begun, for the ledger."""

    facts: Mapping[str, Any] = field(default_factory=dict)


class LoadPlace(ABC):
    """Where one load runs. It is started once."""

    start_s_max: float = 0.0
    """How long `start` may take, in seconds."""

    @property
    @abstractmethod
    def shards(self) -> int:
        """How many parts the load has; 0 before the start and after the end."""

    @property
    @abstractmethod
    def handed(self) -> Handed:
        """What the watchdog needs of the running load."""

    def refusals(self, plan: LoadPlan) -> tuple[str, ...]:
        """What would be refused of the load, a line each, asked without changing anything.

        Raises MusterError.
        """
        return ()

    @abstractmethod
    def start(self, plan: LoadPlan, waiting: Callable[[], None]) -> Begun:
        """Start every part, and return once all have begun.

        `waiting` is called again and again meanwhile, and may raise. Raises MusterError if a part
        does not come up; then what was started has to be ended by `stop`.
        """

    @abstractmethod
    def lost(self) -> str:
        """Which part has ended by itself, or is not known to live, and why; empty if none.

        What was lost once stays lost. Never waits.
        """

    @abstractmethod
    def stop_arrivals(self) -> None:
        """Start no new streams; open ones go on and are counted. Never raises."""

    @abstractmethod
    def stop(self) -> None:
        """End the parts, in bounded time. Calling it again changes nothing. Never raises."""
