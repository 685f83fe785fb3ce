"""Nobody reaches the process: a target without `redis_process`."""

from __future__ import annotations

from muster.platform.port import PortError
from muster.platform.redis_process.model import RedisProcess, RedisState
from muster.targets.redis_process import NoRedisProcess


class RedisByNobody(RedisProcess):
    """The target names no way to halt or kill the region's Redis."""

    usable = False

    def __init__(self, region: str, settings: NoRedisProcess) -> None:
        super().__init__(region)

    @property
    def timeout_s(self) -> float:
        return 0.0

    def state(self) -> RedisState:
        raise self._refused()

    def halt(self) -> None:
        raise self._refused()

    def kill(self) -> None:
        raise self._refused()

    def run(self) -> None:
        raise self._refused()

    def _refused(self) -> PortError:
        return PortError(f"the target names no regions.{self.region}.redis_process")
