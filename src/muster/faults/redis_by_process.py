"""What the faults of a Redis server's process share: the target's `redis_process`."""

from __future__ import annotations

from muster.faults.redis_server import RedisServerFault
from muster.platform.platform import Platform
from muster.platform.port import Change, Touch, Unusable


class RedisByProcessFault(RedisServerFault):
    """It halts or ends the process; `revert` lets it run, whatever it was."""

    is_lost = True
    undone = "The process goes on (SIGCONT), or is started if it is gone."

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._process = platform.redis_process[region]

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + self._process.look_s_max

    @property
    def retry_s(self) -> float:
        return self._process.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), *self._process.touches())

    def unusable(self) -> Unusable | None:
        if self._process.usable:
            return super().unusable()
        kind = self.target.regions[self.region].redis_process.kind
        wanted = "process: the fault acts on the process of Redis"
        return Unusable(f"regions.{self.region}.redis_process.kind", kind, wanted)

    def change(self) -> Change:
        return Change(self._process.state(), self.aim)

    def revert(self) -> None:
        self._process.run()
