"""A region without a drain call: clients leave as their connections end."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.drain.model import Drain, DrainState
from muster.platform.port import PortError
from muster.targets.drain import NoDrain


class DrainByNobody(Drain):
    """A region without a drain call. Reverting a drain needs nothing, because none is ever made."""

    asks = False

    def __init__(
        self, region: str, settings: NoDrain | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(region, clock)

    @property
    def timeout_s(self) -> float:
        return 0.0

    def ask(self, state: DrainState) -> None:
        if state != "serving":
            raise PortError(f"regions.{self.region}.drain is not set")

    def shown(self) -> str:
        return "serving"

    def command(self) -> str | None:
        return None
