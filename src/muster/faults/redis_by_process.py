"""What the faults of a Redis server's process share: the target's `redis_process`."""

from __future__ import annotations

from muster.faults.by_port import PortFault
from muster.faults.redis_server import RedisServerFault
from muster.platform.platform import Platform
from muster.platform.port import Change, Unusable
from muster.platform.redis_process import RedisProcess


class RedisByProcessFault(PortFault, RedisServerFault):
    """It halts or ends the process; `revert` lets it run, whatever it was."""

    is_lost = True
    key = "redis_process"
    undone = "The process goes on (SIGCONT), or is started if it is gone."

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._process = platform.redis_process[region]

    @property
    def port(self) -> RedisProcess:
        return self._process

    def unusable(self) -> Unusable | None:
        if self._process.usable:
            return super().unusable()
        kind = self.target.regions[self.region].redis_process.kind
        wanted = "process: the fault acts on the process of Redis"
        return Unusable(f"{self.section}.kind", kind, wanted)

    def change(self) -> Change:
        return Change(self._process.state(), self.aim)

    def revert(self) -> None:
        self._process.run()
