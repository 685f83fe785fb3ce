"""Every adapter that reaches the process of a Redis, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.platform.port import adapter
from muster.platform.redis_process.model import RedisProcess

if TYPE_CHECKING:
    from muster.targets.model import Region

REDIS_PROCESSES = {
    "process": "muster.platform.redis_process.process:RedisByProcess",
    "none": "muster.platform.redis_process.none:RedisByNobody",
}


def redis_process_of(name: str, region: Region) -> RedisProcess:
    """The adapter for a region's `redis_process` section."""
    settings = region.redis_process
    made: RedisProcess = adapter(REDIS_PROCESSES, settings.kind)(name, settings)
    return made
