"""A hook that closes keep-alive connections and lets streams finish: POST {"state": …}, and GET."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import bearer, curl
from muster.platform.drain.model import Drain, DrainState
from muster.platform.http_hook import call
from muster.targets.drain import HttpDrain


class DrainByHttp(Drain):
    """A region's drain state, set and read by its hook."""

    def __init__(self, region: str, settings: HttpDrain, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)
        self._hook = settings

    @property
    def timeout_s(self) -> float:
        return self._hook.timeout_s

    def ask(self, state: DrainState) -> None:
        call("POST", self._hook.url, self._hook.token, self._hook.timeout_s, {"state": state})

    def shown(self) -> str:
        hook = self._hook
        return str(call("GET", hook.url, hook.token, hook.timeout_s).get("state", "unknown"))

    def command(self) -> str | None:
        header = bearer(self._hook.token)
        body = {"state": "serving"}
        return None if header is None else curl("POST", self._hook.url, body, header=header)
