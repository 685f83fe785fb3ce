"""A platform in memory: the wrong adapters of a suite change it, and it fails as a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.world import Outside, Trouble
from muster import effects
from muster.platform.port import PortError, Touch


class InMemory(Outside):
    """`kind` makes the adapter; `now` is `whole` at first, and `half` where half a change is made.

    Every call of an adapter is counted.
    """

    touches = (Touch("commands", "m"),)
    asks = True
    """Whether a change asks first if it may still be made."""

    def __init__(self, kind: Callable[[Any], Any], whole: Any, half: Any) -> None:
        self.kind = kind
        self.now = whole
        self.half = half
        self.asked = 0
        self.fails: Trouble | None = None

    @property
    def calls(self) -> int:
        return self.asked

    def adapter(self) -> Any:
        return self.kind(self)

    def trouble(self, kind: Trouble | None) -> None:
        self.fails = kind

    def shown(self) -> Any:
        """One look of the adapter."""
        self.asked += 1
        if self.fails == "nonsense":
            raise PortError("memory: no state")
        return self.now

    def change(self, wanted: Any) -> None:
        """One change by the adapter."""
        if self.asks:
            effects.ask()
        self.asked += 1
        if self.fails not in ("refuses", "late before"):
            self.now = self.half if self.fails == "half" else wanted
        if self.fails:
            raise PortError(f"memory: {self.fails}")
