"""A region's Redis is out of memory: it rejects every write, and still answers reads.

`maxmemory` is set below what it already uses, with the policy that evicts nothing. The effect is
verified if a write on the gateways' path is answered OOM. If it is not, the key that was written
has gone after a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.faults.redis_settings import RedisSettingsFault
from muster.faults.steps import Scene, single_fault
from muster.platform.port import Proof

if TYPE_CHECKING:
    from redis import Redis

FULL = {"maxmemory-policy": "noeviction", "maxmemory": "1"}
PROBE_KEY = "muster:probe"
PROBE_MS = 1
OUT_OF_MEMORY = "OOM"

RECALLS = (
    "[CloudCannon, February 2025](https://status.cloudcannon.com/incidents/mjyt5cv6gzq4): "
    "Redis was out of memory, sites answered 503, and all clients reconnected at once"
)


class RedisFull(RedisSettingsFault):
    """One region's Redis rejects writes."""

    kind = "redis_full"
    settings = tuple(FULL)

    @property
    def aim(self) -> str:
        return "maxmemory 1 byte, evicting nothing"

    def apply(self) -> None:
        self._set(FULL)

    def observe(self) -> Proof:
        said = self._ask(_write)
        facts = {"write": said, "answered_before": self._answered}
        return Proof(said.startswith(OUT_OF_MEMORY), f"a write is answered: {said}", facts)


def _write(client: Redis) -> str:
    """What a write is answered."""
    from redis.exceptions import OutOfMemoryError

    try:
        client.set(PROBE_KEY, "1", px=PROBE_MS)
        return "OK"
    except OutOfMemoryError as error:
        return f"{OUT_OF_MEMORY} {error}"


@single_fault(
    "lets the Redis of {region} reject every write for {seconds:g} s",
    recalls=RECALLS,
)
def redis_full(scene: Scene) -> RedisFull:
    """The region's Redis is out of memory for `seconds` of real time."""
    return RedisFull(scene.platform, scene.region)
