"""A region is asked to release its clients: keep-alive connections close after their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.by_port import PortFault
from muster.faults.model import FaultError, ReadBack
from muster.platform import Platform
from muster.platform.drain import Drain as DrainPort
from muster.platform.drain import DrainState
from muster.platform.port import Change, Proof


class Drain(PortFault):
    """`closing` stays ready; `draining` becomes unready once the region is empty."""

    kind = "drain"
    key = "drain"

    def __init__(self, platform: Platform, region: str, state: DrainState = "closing") -> None:
        super().__init__(platform, region)
        self.state: DrainState = state
        self._drain = platform.drain[region]

    @property
    def subject(self) -> str:
        return f"drain {self.region}"

    @property
    def aim(self) -> str:
        return self.state

    @property
    def port(self) -> DrainPort:
        return self._drain

    @property
    def asks(self) -> bool:
        """Whether the region has a drain call; without one clients leave by themselves."""
        return self._drain.asks

    def change(self) -> Change:
        return Change(self.shown(), self.state)

    def undo_params(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(platform, region)

    def apply(self) -> None:
        if not self.asks:
            raise FaultError(f"target {self.target.name}: regions.{self.region}.drain is not set")
        self._drain.ask(self.state)

    def observe(self) -> Proof:
        shown = self.shown()
        return Proof(shown == self.state, f"{self.region} says {shown}", {"state": shown})

    def revert(self) -> None:
        if self.shown() != "serving":
            self._drain.ask("serving")

    def read_back(self) -> ReadBack:
        shown = self.shown()
        return ReadBack(self.subject, "serving", shown, shown == "serving")

    def command(self) -> str | None:
        return self._drain.command()

    def shown(self) -> str:
        """The state that the region reports. Raises PortError."""
        return self._drain.shown()
