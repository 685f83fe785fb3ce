"""The configuration of a provider process."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document

Address = tuple[str, Annotated[int, Field(ge=1, le=65535)]]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FirstToken(Document):
    """Log-normal delays. `p95` None: 5/3 of the mean (0.6 s gives 1.0 s); `max` is a cap."""

    mean: Seconds = 0.6
    p95: Seconds | None = None
    max: Seconds = 1.4


class ProviderConfig(Document):
    """One provider process. Several of them share the same addresses."""

    index: Annotated[int, Field(ge=0)] = 0
    routes: Annotated[dict[Literal["primary", "fallback"], Address], Field(min_length=1)]
    admin: Address
    seed: int = 1
    first_token_s: FirstToken = FirstToken()
    tokens_per_s: Seconds = 33.0
    chunk_s: Seconds = 2.25
    defect: Literal["slow_fallback_provider"] | None = None
    slow_fallback_extra_s: Seconds = 4.0
    grace_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    parent_pid: int | None = None
