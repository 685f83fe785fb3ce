"""A region's Redis refuses: its Toxiproxy proxy stops listening and drops what was open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import redis

from muster.faults.model import Change, Fault, FaultError, Proof, ReadBack, Touch
from muster.faults.proxies import access_of, proxy_of
from muster.faults.toxiproxy_restart import bring_back, by_hand
from muster.targets.model import Target

CONNECT_S_MAX = 1.0


class RedisOutage(Fault):
    """Redis is away for one region, on the path that its gateways use."""

    kind = "redis_outage"
    expects = ("admission_failures:redis_unavailable",)

    def __init__(
        self, target: Target, region: str, server: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(target, region)
        self._access = access_of(target, region, "redis")
        self._proxy = proxy_of(target, region, "redis")
        self._server = tuple(server)

    @property
    def subject(self) -> str:
        return f"toxiproxy {self.region}/{self._proxy.name}"

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), Touch("proxies", f"{self.region}/{self._proxy.name}"))

    def change(self) -> Change:
        enabled = self._proxy.state()["enabled"]
        return Change("enabled" if enabled else "disabled", "disabled")

    def undo_params(self) -> dict[str, Any]:
        if not self._proxy.state()["enabled"]:
            raise FaultError(f"{self.subject}: already disabled before the fault")
        self._server = tuple(self._proxy.server())
        return {"server": list(self._server)}

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        return cls(target, region, server=params.get("server", ()))

    def apply(self) -> None:
        self._proxy.set_enabled(False)

    def observe(self) -> Proof:
        answered = self.redis_answers()
        return Proof(
            proven=not answered,
            why="Redis still answers on the gateways' path" if answered else "Redis refuses",
            facts={"redis_answers": answered},
        )

    def revert(self) -> None:
        before = next((one for one in self._server if one["name"] == self._proxy.name), None)
        proxy = self._proxy
        bring_back(proxy, self._access, self._server, lambda: proxy.enable(before))

    def read_back(self) -> ReadBack:
        enabled = bool(self._proxy.state()["enabled"])
        answers = self.redis_answers()
        return ReadBack(
            self.subject,
            "enabled, Redis answers",
            f"{'enabled' if enabled else 'disabled'}, "
            f"Redis {'answers' if answers else 'is silent'}",
            enabled and answers,
        )

    def command(self) -> str | None:
        return by_hand(self._proxy, self._access, self._server)

    def redis_answers(self) -> bool:
        """Whether a PING through the proxy is answered. Raises FaultError if no path is named."""
        url = self.target.regions[self.region].redis_url
        if url is None:
            raise FaultError(
                f"target {self.target.name}: regions.{self.region}.redis_url is not set"
            )
        client = redis.Redis.from_url(
            url, socket_connect_timeout=CONNECT_S_MAX, socket_timeout=CONNECT_S_MAX, retry=None
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
