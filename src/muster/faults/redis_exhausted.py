"""A region's Redis has no connection left, as after a leak of connections in one of its clients.

`maxclients` is set a little over the clients that are connected; Muster takes what is free, then
ends the connections of all others and takes those too. What connects is refused by Redis itself.
The effect is verified if a new connection on the gateways' path is refused so, and no client but
Muster is connected.

The connections are this process's own, so they end with it. Every client then finds room, and
whoever restores the setting does too.
"""

from __future__ import annotations

from typing import Any

from muster.faults.model import FaultError
from muster.faults.redis_held import Held, connected
from muster.faults.redis_settings import RedisSettingsFault
from muster.faults.steps import Scene, single_fault
from muster.platform.platform import Platform
from muster.platform.port import Proof

SPARE = 32
"""Connections over those that exist: room for whoever restores the setting."""
CLIENTS_MAX = 800
REFUSAL = "max number of clients reached"

RECALLS = (
    "[Transloadit, September "
    "2025](https://transloadit.com/blog/2025/09/us-east-redis-connection-exhaustion-post-mortem): "
    "a leak took every connection of a region's Redis"
)


class RedisExhausted(RedisSettingsFault):
    """All connections of one region's Redis are taken."""

    undone = (
        "The connections are closed, which also happens if the drill is killed, and "
        "maxclients gets its old value."
    )

    kind = "redis_exhausted"
    is_lost = True
    settings = ("maxclients",)

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._held = Held(region, self._client, self._ask)

    @property
    def aim(self) -> str:
        return "all connections taken"

    def undo_params(self) -> dict[str, Any]:
        if (clients := self._ask(connected)) > CLIENTS_MAX:
            wanted = f"at most {CLIENTS_MAX} can be replaced"
            raise FaultError(f"{self.subject}: {clients} clients are connected, {wanted}")
        return super().undo_params()

    def apply(self) -> None:
        limit = self._ask(connected) + SPARE
        self._set({"maxclients": str(limit)})
        self._held.take_all(limit, REFUSAL)

    def observe(self) -> Proof:
        look, others = self._look(), len(self._held.others())
        facts = {"met": look.met, "reply": look.reply, "other_clients": others}
        proven = look.reply == "ERR" and REFUSAL in look.said and others == 0
        return Proof(proven, f"Redis {look.said}; {others} other clients are connected", facts)

    def revert(self) -> None:
        # Until the limit is back, only a connection that exists is sure of an answer.
        with self._held.given_back() as one:
            self._set(self._before, one)


@single_fault(
    "takes all connections of the Redis of {region} for {seconds:g} s",
    recalls=RECALLS,
)
def redis_exhausted(scene: Scene) -> RedisExhausted:
    """The region's Redis refuses every new client for `seconds` of real time."""
    return RedisExhausted(scene.platform, scene.region)
