"""What a route of the stub does wrong on request, so that the faults of a provider can be tried."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document

STREAM_ERROR = (
    b'data: {"error":{"message":"the provider failed","type":"server_error","code":500}}\n\n'
)


class Trouble(Document):
    """How a route treats every request that comes from now on; by default as it should."""

    status: Annotated[int, Field(ge=400, le=599)] | None = Field(
        default=None, description="answer at once with this status"
    )
    silent: bool = Field(default=False, description="take the request and never answer")
    reset: bool = Field(default=False, description="take the request and reset it")
    stream_error: bool = Field(
        default=False, description="begin a 200 stream, and put an error event for its first token"
    )
    first_token_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=0, description="the first token comes this much later, and the rest after it"
    )
    cut_after_tokens: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=0, description="break a stream off once it has so many tokens; 0: never"
    )


class RouteTrouble(Document):
    """The request that sets it."""

    route: Literal["primary", "fallback"]
    trouble: Trouble
