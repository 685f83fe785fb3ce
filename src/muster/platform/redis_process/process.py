"""The server of a testbed's Redis, through the testbed's control API."""

from __future__ import annotations

from muster.platform.http_hook import call
from muster.platform.port import PortError
from muster.platform.redis_process.model import STATES, RedisProcess, RedisState
from muster.targets.redis_process import ProcessRedis

LOOK_S_MAX = 3.0


class RedisByProcess(RedisProcess):
    """The testbed's supervisor sends the signals, and says what the kernel shows."""

    def __init__(self, region: str, settings: ProcessRedis) -> None:
        super().__init__(region)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    @property
    def look_s_max(self) -> float:
        return min(LOOK_S_MAX, self._settings.timeout_s)

    def state(self) -> RedisState:
        one = self._settings
        shown = call("GET", one.url, one.token, self.look_s_max).get("state")
        for state in STATES:
            if shown == state:
                return state
        raise PortError(f"GET {one.url}: got state {shown!r}, expected one of {', '.join(STATES)}")

    def halt(self) -> None:
        self._ask("halt", "halted")

    def kill(self) -> None:
        self._ask("kill", "gone")

    def run(self) -> None:
        self._ask("run", "running")

    def _ask(self, verb: str, wanted: RedisState) -> None:
        one = self._settings
        call("POST", f"{one.url}/{verb}", one.token, one.timeout_s)
        if (state := self.state()) != wanted:
            raise PortError(f"POST {one.url}/{verb}: it is {state}, expected {wanted}")
