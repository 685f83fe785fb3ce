"""How Muster asks a region to release its clients."""

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
    """There is no drain call: clients leave as their connections end."""

    kind: Literal["none"]


def _kind(value: Any) -> Any:
    """Older targets give only the hook's URL."""
    return {"kind": "http", **value} if isinstance(value, dict) and "url" in value else value


Drain = Annotated[
    Annotated[HttpDrain | CommandDrain | NoDrain, Field(discriminator="kind")],
    BeforeValidator(_kind),
]
