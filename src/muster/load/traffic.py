"""What the load needs of a profile, as plain numbers for the shard processes."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field

from muster.contract import Profile
from muster.documents import Document

Number = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Traffic(Document):
    """A profile at scale 1. Shares are of 1; seconds throughout."""

    name: str = ""
    streams: Number
    tokens_quantiles: Annotated[tuple[tuple[Share, Number], ...], Field(min_length=2)]
    tokens_per_s: Number
    first_token_s_mean: Annotated[float, Field(ge=0)]
    resolver_caches: Annotated[int, Field(ge=1)] = 1000
    canaries_per_s: Annotated[float, Field(ge=0)] = 50.0
    hold_connection_share: Share = 0.0
    attempts_max: Annotated[int, Field(ge=1)] = 3
    backoff_s: tuple[float, float] = (0.75, 2.25)
    ramp_s: Annotated[float, Field(ge=0)] = 0.0

    @property
    def mean_tokens(self) -> float:
        """Mean of the quantiles, interpolated linearly as they are drawn."""
        return sum(
            (after - before) * (low + high) / 2
            for (before, low), (after, high) in pairwise(self.tokens_quantiles)
        )

    @property
    def mean_stream_s(self) -> float:
        """Mean length of a stream as drawn, in seconds."""
        return self.first_token_s_mean + self.mean_tokens / self.tokens_per_s

    def arrivals_per_s(self, scale: float = 1.0) -> float:
        """Arrivals that hold `streams` x `scale` open streams (Little's law)."""
        return self.streams * scale / self.mean_stream_s


def traffic_of(profile: Profile) -> Traffic:
    """The numbers of a contract's profile."""
    low_s, high_s = profile.retry.backoff_s
    return Traffic(
        name=profile.name,
        streams=float(profile.streams),
        tokens_quantiles=tuple(
            (float(share), float(tokens)) for share, tokens in profile.stream_tokens_quantiles
        ),
        tokens_per_s=float(profile.tokens_per_s),
        first_token_s_mean=float(profile.first_token_s_mean),
        resolver_caches=int(profile.resolver_caches),
        canaries_per_s=float(profile.canaries_per_s),
        hold_connection_share=float(profile.hold_connection_share),
        attempts_max=int(profile.retry.attempts_max),
        backoff_s=(float(low_s), float(high_s)),
        ramp_s=float(profile.ramp_s),
    )
