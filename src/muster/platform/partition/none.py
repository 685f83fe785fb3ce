"""Nobody cuts the region off: a target without `partition`."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.partition.model import Before, Partition, PartitionState
from muster.platform.port import PortError
from muster.targets.partition import NoPartition


class PartitionByNobody(Partition):
    """The target names no way to cut the region off. To join it needs nothing."""

    cuts = False

    def __init__(self, region: str, settings: NoPartition, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)

    @property
    def timeout_s(self) -> float:
        return 0.0

    def state(self, before: Before) -> PartitionState:
        return "whole"

    def cut(self, before: Before) -> None:
        raise PortError(f"the target names no regions.{self.region}.partition")

    def join(self, before: Before) -> None:
        """Nothing was cut."""

    def command(self, before: Before) -> str | None:
        return None
