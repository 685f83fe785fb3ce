"""Partition: cuts a region off from everyone outside while its processes go on."""

from muster.platform.partition.model import Partition, PartitionState
from muster.platform.partition.registry import partition_of

__all__ = ["Partition", "PartitionState", "partition_of"]
