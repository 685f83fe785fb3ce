"""A platform as a drill knows it: its ports, created once from a target.

Nothing above this package knows which adapter is behind a port. Creating a platform sends no
request, so a plan can name what it would change while the platform is unreachable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.cluster import RegionCluster, cluster_of
from muster.platform.drain import Drain, drain_of
from muster.platform.names import Names, names_of
from muster.platform.partition import Partition, partition_of
from muster.platform.power import Power, power_of
from muster.platform.redis_process import RedisProcess, redis_process_of
from muster.platform.steering import Steering, steering_of

if TYPE_CHECKING:
    from muster.platform.metrics import Metrics
    from muster.targets.model import Target


@dataclass(frozen=True)
class Platform:
    """The ports of one target, and the clock by which they and its faults wait.

    `power`, `drain`, `redis_process`, `partition` and `cluster` are by region.
    """

    target: Target
    steering: Steering
    power: Mapping[str, Power]
    drain: Mapping[str, Drain]
    redis_process: Mapping[str, RedisProcess]
    partition: Mapping[str, Partition]
    cluster: Mapping[str, RegionCluster]
    metrics: Metrics
    names: Names
    clock: Clock = SYSTEM_CLOCK


def platform_of(target: Target, clock: Clock = SYSTEM_CLOCK) -> Platform:
    """The platform that `target` describes; its placeholders must be filled before it is used."""
    # Slow to import, and not needed to validate a drill.
    from muster.platform.metrics import metrics_of

    steering = steering_of(target, clock)
    return Platform(
        target=target,
        steering=steering,
        power={name: power_of(name, region, clock) for name, region in target.regions.items()},
        drain={name: drain_of(name, region, clock) for name, region in target.regions.items()},
        redis_process={
            name: redis_process_of(name, region) for name, region in target.regions.items()
        },
        partition={
            name: partition_of(name, region, clock) for name, region in target.regions.items()
        },
        cluster={name: cluster_of(name, region, clock) for name, region in target.regions.items()},
        metrics=metrics_of(target),
        names=names_of(target, steering),
        clock=clock,
    )
