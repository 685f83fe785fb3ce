"""The Redis Sentinel that watches a region's Redis and promotes its replica."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import PositiveSeconds, RedisUrl


class RedisSentinel(Document):
    """Where it answers, and what the platform promises of a promotion."""

    url: RedisUrl
    master: Annotated[str, Field(min_length=1)] = Field(
        description="the name under which it watches the region's Redis"
    )
    promoted_s_max: PositiveSeconds = Field(
        description="maximum time from the loss of the primary until another one answers on "
        "redis_url, in seconds of real time"
    )
