"""The testbed's gateways stop to listen and reset their connections, by its control API."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.http_hook import call
from muster.platform.partition.model import STATES, Partition, PartitionState
from muster.platform.port import PortError
from muster.targets.partition import ProcessPartition

LOOK_S_MAX = 3.0


class PartitionByProcess(Partition):
    """A region's partition: POST {"state": "cut" | "whole"}, and GET."""

    def __init__(
        self, region: str, settings: ProcessPartition, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(region, clock)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    @property
    def look_s_max(self) -> float:
        return min(LOOK_S_MAX, self.timeout_s)

    def state(self) -> PartitionState:
        one = self._settings
        shown = call("GET", one.url, one.token, self.look_s_max).get("state")
        for state in STATES:
            if shown == state:
                return state
        raise PortError(f"GET {one.url}: got state {shown!r}, expected one of {', '.join(STATES)}")

    def cut(self) -> None:
        self._ask("cut")

    def join(self) -> None:
        self._ask("whole")

    def command(self) -> str | None:
        return None

    def _ask(self, state: PartitionState) -> None:
        one = self._settings
        call("POST", one.url, one.token, one.timeout_s, {"state": state})
        if (shown := self.state()) != state:
            raise PortError(f"POST {one.url}: it is {shown}, expected {state}")
