"""How Muster halts, kills and starts the server of a region's Redis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import BaseUrl, PositiveSeconds


class ProcessRedis(Document):
    """The testbed's control API sends the signals."""

    kind: Literal["process"]
    url: BaseUrl
    token: str
    timeout_s: PositiveSeconds = 30.0


class NoRedisProcess(Document):
    """Nobody halts or kills it: the faults that need it are refused before anything is started."""

    kind: Literal["none"] = "none"


RedisProcess = Annotated[ProcessRedis | NoRedisProcess, Field(discriminator="kind")]
