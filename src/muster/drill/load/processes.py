"""The load as processes of the machine that drills: a shard each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from muster.drill.load.place import Begun, Handed, LoadPlace

if TYPE_CHECKING:
    from muster.load import LoadHandle, LoadPlan

STOP_GRACE_S = 1.0


class LoadInProcesses(LoadPlace):
    """They live for as long as somebody holds the other end of their standard inputs."""

    def __init__(self) -> None:
        self._handle: LoadHandle | None = None
        self._lost = ""

    @property
    def shards(self) -> int:
        """The processes."""
        return self._handle.shards if self._handle is not None else 0

    @property
    def handed(self) -> Handed:
        """Pids and lifelines."""
        if self._handle is None:
            return Handed()
        return Handed(tuple(self._handle.pids), tuple(self._handle.lifelines))

    def start(self, plan: LoadPlan, waiting: Callable[[], None]) -> Begun:
        """Start every shard. Raises MusterError when one does not come up."""
        # The engine imports numpy and uvloop: only a drill that gets this far pays for that.
        from muster import load

        self._handle = load.start(plan)
        return Begun()

    def lost(self) -> str:
        """A process that has ended."""
        if self._handle is not None and not self._lost and not self._handle.alive():
            self._lost = "a load process ended before it was told to"
        return self._lost

    def stop_arrivals(self) -> None:
        """By their standard inputs."""
        if self._handle is not None:
            self._handle.stop_arrivals()

    def stop(self) -> None:
        """End them; one that stays is killed."""
        if self._handle is not None:
            self._handle.stop(STOP_GRACE_S)
            self._handle = None
