"""A region's Redis refuses connections: its Toxiproxy proxy stops listening and drops open ones.

The effect is verified if three observations agree: the proxy says that it is disabled, its port
accepts no connection, and Redis, which answered on the gateways' path before, does not answer any
more. An error from Redis itself is an answer. Without an answer before the fault nothing could be
proven, so the fault is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from muster.faults.model import FaultError, ReadBack, RegionalFault
from muster.faults.proxies import access_of, address_of, proxy_of
from muster.faults.redis_path import RedisLook, accepts, look_at_redis
from muster.faults.steps import Scene, single_fault
from muster.faults.toxiproxy_restart import bring_back, by_hand, retry_s, touches, unusable
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof, Touch, Unusable

PONG = "PONG"


class RedisOutage(RegionalFault):
    """One region cannot reach Redis on the path that its gateways use."""

    kind = "redis_outage"
    expects = ("admission_failures:redis_unavailable",)

    def __init__(
        self,
        platform: Platform,
        region: str,
        server: Sequence[Mapping[str, Any]] = (),
        answered: str | None = None,
        listened: bool = False,
    ) -> None:
        super().__init__(platform, region)
        self._answered = answered
        self._listened = listened
        self._access = access_of(platform.target, region, "redis")
        self._proxy = proxy_of(platform.target, region, "redis")
        self._server = tuple(server)

    @property
    def subject(self) -> str:
        return f"toxiproxy {self.region}/{self._proxy.name}"

    @property
    def aim(self) -> str:
        return "disabled"

    @property
    def retry_s(self) -> float:
        return retry_s(self._access)

    def touches(self) -> tuple[Touch, ...]:
        proxy = Touch("proxies", f"{self.region}/{self._proxy.name}")
        return (*super().touches(), proxy, *touches(self._access))

    def unusable(self) -> Unusable | None:
        return unusable(self._access, self.region)

    def change(self) -> Change:
        enabled = self._proxy.state()["enabled"]
        return Change("enabled" if enabled else "disabled", self.aim)

    def undo_params(self) -> dict[str, Any]:
        if not self._proxy.state()["enabled"]:
            raise FaultError(f"{self.subject}: already disabled before the fault")
        look = self._look()
        if look.reply is None:
            raise FaultError(
                f"{self.subject}: Redis gave no answer before the fault: redis_url {look.said}"
            )
        self._answered = look.reply
        self._listened = accepts(self._address()) is True
        self._server = tuple(self._proxy.server())
        return {
            "server": list(self._server),
            "answered": self._answered,
            "listened": self._listened,
        }

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(
            platform,
            region,
            server=params.get("server", ()),
            # Older logs lack these keys.
            answered=params.get("answered"),
            listened=bool(params.get("listened")),
        )

    def apply(self) -> None:
        self._proxy.set_enabled(False)

    def observe(self) -> Proof:
        look = self._look()
        facts: dict[str, Any] = {
            "redis_answers": look.met == "answer",
            "met": look.met,
            "answered_before": self._answered,
        }
        if look.met == "answer":
            return Proof(False, f"Redis still answers on the gateways' path: {look.said}", facts)
        if self._answered is None:
            return Proof(False, "it is unknown whether Redis answered before the fault", facts)
        state = self._proxy.state()
        if state["enabled"]:
            return Proof(False, f"proxy {self._proxy.name} says that it is enabled", facts)
        if self._listened and accepts(self._address(state)):
            why = f"proxy {self._proxy.name} is disabled, but its port accepts connections"
            return Proof(False, why, facts)
        if look.away is None:
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        return Proof(True, f"Redis {look.said}", facts)

    def revert(self) -> None:
        before = next((one for one in self._server if one["name"] == self._proxy.name), None)
        proxy = self._proxy
        bring_back(
            proxy, self._access, self._server, lambda: proxy.enable(before), self.platform.clock
        )

    def read_back(self) -> ReadBack:
        enabled = bool(self._proxy.state()["enabled"])
        look = self._look()
        before = self._answered or PONG
        return ReadBack(
            self.subject,
            f"enabled, Redis answers {before}",
            f"{'enabled' if enabled else 'disabled'}, Redis {look.said}",
            enabled and look.reply == before,
        )

    def command(self) -> str | None:
        return by_hand(self._proxy, self._access, self._server)

    def redis_answers(self) -> bool:
        """Whether a PING on the gateways' path gets a proper answer. Raises FaultError."""
        return self._look().reply == PONG

    def _look(self) -> RedisLook:
        url = self.target.regions[self.region].redis_url
        if url is None:
            raise FaultError(
                f"target {self.target.name}: regions.{self.region}.redis_url is not set"
            )
        return look_at_redis(url)

    def _address(self, state: Mapping[str, Any] | None = None) -> str:
        shown = state if state is not None else self._proxy.state()
        return address_of(str(shown["listen"]), self._access.url)


@single_fault("cuts {region} off from Redis for {seconds:g} s, then reconnects it")
def redis_outage(scene: Scene) -> RedisOutage:
    """The region's Redis refuses connections for `seconds` of real time."""
    return RedisOutage(scene.platform, scene.region)
