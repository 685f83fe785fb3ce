"""The testbed's gateways stop to listen and reset their connections, by its control API."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.partition.model import STATES, Before, Partition, PartitionState
from muster.platform.switch import Switch
from muster.targets.partition import ProcessPartition


class PartitionByProcess(Partition):
    """A region's partition: POST {"state": "cut" | "whole"}, and GET."""

    def __init__(
        self, region: str, settings: ProcessPartition, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(region, clock)
        self._switch = Switch(settings, STATES)

    @property
    def timeout_s(self) -> float:
        return self._switch.timeout_s

    @property
    def look_s_max(self) -> float:
        return self._switch.look_s_max

    def state(self, before: Before) -> PartitionState:
        return self._switch.state()

    def cut(self, before: Before) -> None:
        self._switch.ask("cut", body={"state": "cut"})

    def join(self, before: Before) -> None:
        self._switch.ask("whole", body={"state": "whole"})

    def command(self, before: Before) -> str | None:
        return None
