"""Faults of a region's Redis server itself, by its process or by its own settings.

Every look goes the way of the gateways (`redis_url`). Redis must answer before the fault, or
nothing could be proven, and must answer the same after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from muster.faults.back import BACK_S_MAX, await_back
from muster.faults.model import FaultError, ReadBack, RegionalFault
from muster.faults.redis_path import TIMEOUT_S, RedisLook, look_at_redis, url_of
from muster.platform.platform import Platform
from muster.platform.port import Change, Touch, Unusable

if TYPE_CHECKING:
    from redis import Redis

Found = TypeVar("Found")


class RedisServerFault(RegionalFault):
    """It changes one region's Redis server; the subclass says how."""

    expects = ("admission_failures:redis_unavailable",)

    is_lost: ClassVar[bool] = False
    """Whether Sentinel takes the server for lost; then it would promote another one."""

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._answered: str | None = None

    @property
    def _url(self) -> str:
        return url_of(self.target, self.region)

    @property
    def subject(self) -> str:
        return f"redis {self.region}"

    @property
    def retry_s(self) -> float:
        return BACK_S_MAX

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), Touch("redis", self.region))

    def unusable(self) -> Unusable | None:
        region = self.target.regions[self.region]
        if self.is_lost and region.redis_sentinel is not None:
            wanted = "a Redis without Sentinel, which would promote another: use redis_promoted"
            key, value = f"regions.{self.region}.redis_sentinel", region.redis_sentinel.master
            return Unusable(key, value, wanted)
        if region.redis_url is not None:
            return None
        wanted = "the URL by which the region's gateways reach Redis"
        return Unusable(f"regions.{self.region}.redis_url", None, wanted)

    def change(self) -> Change:
        return Change(f"Redis {self._look().said}", self.aim)

    def undo_params(self) -> dict[str, Any]:
        look = self._look()
        if look.reply is None:
            wanted = f"Redis gave no answer before the fault: redis_url {look.said}"
            raise FaultError(f"{self.subject}: {wanted}")
        self._answered = look.reply
        return {"answered": look.reply}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = cls(platform, region)
        fault._answered = params["answered"]
        return fault

    def read_back(self) -> ReadBack:
        """Whether it answers as before; waits in bounded time, because it may have to start."""
        return await_back(self._back, self.platform.clock)

    def command(self) -> str | None:
        return None

    def _back(self) -> ReadBack:
        look = self._look()
        expected = f"Redis answers {self._answered}"
        return ReadBack(self.subject, expected, f"Redis {look.said}", look.reply == self._answered)

    def _look(self) -> RedisLook:
        return look_at_redis(self._url)

    def _ask(self, question: Callable[[Redis], Found], own: Redis | None = None) -> Found:
        """What Redis answers to `question`, by a new connection or by `own`, which stays open.

        Raises FaultError, without the URL's password.
        """
        from redis import RedisError

        client = self._client() if own is None else own
        try:
            return question(client)
        except (RedisError, OSError) as error:
            raise FaultError(f"{self.subject}: {error}") from error
        finally:
            if own is None:
                client.close()

    def _client(self) -> Redis:
        """A client with one connection, opened by its first question; it tries each one once."""
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return Redis.from_url(
            self._url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
