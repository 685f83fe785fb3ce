"""Every adapter that cuts a region off, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.partition.model import Partition
from muster.platform.port import adapter

if TYPE_CHECKING:
    from muster.targets.model import Region

PARTITIONS = {
    "process": "muster.platform.partition.process:PartitionByProcess",
    "command": "muster.platform.partition.command:PartitionByCommand",
    "network_policy": "muster.platform.partition.network_policy:PartitionByNetworkPolicy",
    "none": "muster.platform.partition.none:PartitionByNobody",
}


def partition_of(name: str, region: Region, clock: Clock = SYSTEM_CLOCK) -> Partition:
    """The adapter for a region's `partition` section."""
    settings = region.partition
    made: Partition = adapter(PARTITIONS, settings.kind)(name, settings, clock)
    return made
