"""How a region is asked to let go of its clients."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from muster.documents import Document
from muster.targets.kinds import Argv, HttpUrl, PositiveSeconds


class HttpDrain(Document):
    """A hook that closes keep-alive connections and lets streams finish: POST {"state": …}."""

    kind: Literal["http"] = "http"
    url: HttpUrl
    token: str | None = None
    timeout_s: PositiveSeconds = 10.0


class CommandDrain(Document):
    """A command of the target's own: `argv drain REGION STATE` and `argv drain-state REGION`."""

    kind: Literal["command"]
    argv: Argv
    timeout_s: PositiveSeconds = 10.0


class NoDrain(Document):
    """Nobody is asked: clients leave by themselves, as their connections end."""

    kind: Literal["none"]


def _kind(value: Any) -> Any:
    """Targets of before there were several ways give the hook's URL alone."""
    return {"kind": "http", **value} if isinstance(value, dict) and "url" in value else value


Drain = Annotated[
    Annotated[HttpDrain | CommandDrain | NoDrain, Field(discriminator="kind")],
    BeforeValidator(_kind),
]
