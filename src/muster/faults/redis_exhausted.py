"""A region's Redis has no connection left, as after a leak of connections in one of its clients.

`maxclients` is set a little over the clients that are connected; Muster takes what is free, then
ends the connections of all others and takes those too. What connects is refused by Redis itself.
The effect is verified if a new connection on the gateways' path is refused so, and no client but
Muster is connected.

The connections are this process's own, so they end with it. Every client then finds room, and
whoever restores the setting does too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muster.faults.back import BACK_S_MAX, LOOK_APART_S
from muster.faults.model import FaultError
from muster.faults.redis_settings import RedisSettingsFault
from muster.faults.steps import Scene, single_fault
from muster.platform.port import Proof

if TYPE_CHECKING:
    from redis import Redis

SPARE = 32
"""Connections over those that exist: room for whoever restores the setting."""
CLIENTS_MAX = 800
ROUNDS_MAX = 20
REFUSAL = "max number of clients reached"
_HELD: dict[str, dict[int, Redis]] = {}
"""The connections that this process holds, by region and client id."""

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
    settings = ("maxclients",)

    @property
    def aim(self) -> str:
        return "all connections taken"

    def undo_params(self) -> dict[str, Any]:
        if (clients := self._ask(_connected)) > CLIENTS_MAX:
            wanted = f"at most {CLIENTS_MAX} can be replaced"
            raise FaultError(f"{self.subject}: {clients} clients are connected, {wanted}")
        return super().undo_params()

    def apply(self) -> None:
        limit = self._ask(_connected) + SPARE
        self._set({"maxclients": str(limit)})
        held = _HELD.setdefault(self.region, {})
        for _ in range(ROUNDS_MAX):
            while len(held) < limit and (taken := self._take()) is not None:
                held[taken[0]] = taken[1]
            if not self._end_others(held):
                return
        raise FaultError(f"{self.subject}: other clients are still connected")

    def observe(self) -> Proof:
        look = self._look()
        others = len(self._others(_HELD.get(self.region, {})))
        facts = {"met": look.met, "reply": look.reply, "other_clients": others}
        proven = look.reply == "ERR" and REFUSAL in look.said and others == 0
        return Proof(proven, f"Redis {look.said}; {others} other clients are connected", facts)

    def revert(self) -> None:
        for client in _HELD.pop(self.region, {}).values():
            client.close()
        end_s = self.platform.clock.monotonic_s() + BACK_S_MAX
        while True:
            try:
                return super().revert()
            except FaultError:
                # Redis may not have seen yet that the connections are closed.
                if self.platform.clock.monotonic_s() > end_s:
                    raise
                self.platform.clock.sleep(LOOK_APART_S)

    def _take(self) -> tuple[int, Redis] | None:
        """One more connection and its client id; None if Redis refuses it. Raises FaultError."""
        from redis import RedisError

        client = self._client()
        try:
            return int(client.client_id()), client
        except RedisError as error:
            client.close()
            if REFUSAL in str(error):
                return None
            raise FaultError(f"{self.subject}: {error}") from error

    def _others(self, held: dict[int, Redis]) -> list[str]:
        """The ids of the clients that are not this process's. Raises FaultError if unknown."""
        from redis import RedisError

        if not held:
            raise FaultError(f"{self.subject}: this process holds no connection to look with")
        try:
            listed = next(iter(held.values())).client_list()
        except RedisError as error:
            raise FaultError(f"{self.subject}: {error}") from error
        ids = (str(client["id"]) for client in listed)
        return [one for one in ids if int(one) not in held]

    def _end_others(self, held: dict[int, Redis]) -> int:
        """End the connections of all other clients; how many there were. Raises FaultError."""
        from redis import RedisError

        others = self._others(held)
        try:
            for one in others:
                next(iter(held.values())).client_kill_filter(_id=one)
        except RedisError as error:
            raise FaultError(f"{self.subject}: {error}") from error
        return len(others)


def _connected(client: Redis) -> int:
    return int(client.info("clients")["connected_clients"])


@single_fault(
    "takes all connections of the Redis of {region} for {seconds:g} s",
    recalls=RECALLS,
)
def redis_exhausted(scene: Scene) -> RedisExhausted:
    """The region's Redis refuses every new client for `seconds` of real time."""
    return RedisExhausted(scene.platform, scene.region)
