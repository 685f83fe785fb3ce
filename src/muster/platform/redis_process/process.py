"""The server of a testbed's Redis, through the testbed's control API."""

from __future__ import annotations

from muster.platform.redis_process.model import STATES, RedisProcess, RedisState
from muster.platform.switch import Switch
from muster.targets.redis_process import ProcessRedis


class RedisByProcess(RedisProcess):
    """The testbed's supervisor sends the signals, and says what the kernel shows."""

    def __init__(self, region: str, settings: ProcessRedis) -> None:
        super().__init__(region)
        self._switch = Switch(settings, STATES)

    @property
    def timeout_s(self) -> float:
        return self._switch.timeout_s

    @property
    def look_s_max(self) -> float:
        return self._switch.look_s_max

    def state(self) -> RedisState:
        return self._switch.state()

    def see(self) -> None:
        self.state()

    def halt(self) -> None:
        self._switch.ask("halted", "halt")

    def kill(self) -> None:
        self._switch.ask("gone", "kill")

    def run(self) -> None:
        self._switch.ask("running", "run")
