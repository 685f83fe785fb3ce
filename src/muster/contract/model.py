"""The scale contract as frozen values, shares and seconds as exact fractions.

A figure is read as it is written (0.3 % is 3/1000, not the float nearest to it), so that no
rounding ever decides a verdict.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from muster.documents import Document

SLO_NAMES = (
    "availability",
    "success_2xx",
    "rate_5xx",
    "rate_429",
    "first_token_p95",
    "completion_p95",
)


def exact(value: Any) -> Fraction:
    """`value` as it is written: through its shortest decimal text, never through its bits."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal, Fraction)):
        raise ValueError("a number")
    try:
        return value if isinstance(value, Fraction) else Fraction(Decimal(str(value)))
    except (ArithmeticError, ValueError) as error:
        raise ValueError("a finite number") from error


Exact = Annotated[Fraction, BeforeValidator(exact)]
Percent = Annotated[Exact, Field(ge=0, le=100)]
Positive = Annotated[Exact, Field(gt=0)]
Whole = Annotated[int, Field(ge=1)]


class Tier(Document):
    """Service levels of one tier (sections 1 and 2)."""

    name: str
    source: str
    streams: Whole
    availability_pct_min: Percent
    success_2xx_pct_min: Percent
    rate_5xx_pct_max: Percent
    rate_429_pct_max: Percent
    first_token_p95_ms_max: Positive
    completion_p95_ms_max: Positive

    @property
    def first_token_p95_s_max(self) -> Fraction:
        """Seconds."""
        return self.first_token_p95_ms_max / 1000

    @property
    def completion_p95_s_max(self) -> Fraction:
        """Seconds."""
        return self.completion_p95_ms_max / 1000

    @property
    def canaries_min(self) -> int:
        """Smallest sample that can show the availability: 1 / (1 - target)."""
        misses = 1 - self.availability_pct_min / 100
        return 1 if misses == 0 else -(-misses.denominator // misses.numerator)


class Gate(Document):
    """One capacity milestone (section 3)."""

    name: str
    source: str
    tier: str
    profile: str
    soak_minutes_min: Positive
    queue_age_s_max: Positive
    circuit_open_minutes_max: Positive | None = None
    failover_action_in_baseline: Literal["refused"] | None = None
    drill_tier: str | None = None


class ConsecutiveMinutes(Document):
    """A trigger that fires after so many consecutive minutes of breach."""

    minutes: Whole


class CircuitOpen(Document):
    """A trigger that fires when the route's circuit stays open longer."""

    minutes: Positive
    route: str


class HardFailures(Document):
    """A trigger that fires on failures of auth or admission that stay unresolved."""

    reasons: tuple[str, ...]
    unresolved_s: Positive


class Triggers(Document):
    """The rollback triggers (section 4)."""

    source: str
    rate_5xx: ConsecutiveMinutes
    success_2xx: ConsecutiveMinutes
    circuit_open: CircuitOpen
    queue_age: ConsecutiveMinutes
    hard_failures: HardFailures


class Span(Document):
    """What a latency is measured between."""

    from_: str = Field(alias="from")
    to: str


Edges = Annotated[tuple[Positive, ...], Field(min_length=2)]


class Measurement(Document):
    """How things are measured (section 5) and what exact arithmetic needs besides."""

    source: str
    first_token: Span
    completion: Span
    percentile: Annotated[Percent, Field(lt=100)]
    window_s: Positive
    unknown_windows_max: Whole
    scrapes_in_window_min: Whole
    canary_answer_s_max: Positive
    dark_hold_minutes_min: Positive
    bundle_age_days_max: Positive
    loop_lag_ms_max: Positive
    late_starts_pct_max: Percent
    offered_pct_tolerance: Percent
    streams_pct_tolerance: Percent
    first_token_edges_s: Edges
    completion_edges_s: Edges

    @field_validator("first_token_edges_s", "completion_edges_s")
    @classmethod
    def _rising(cls, edges: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        if any(after <= before for before, after in pairwise(edges)):
            raise ValueError("edges that rise")
        return edges


class Retry(Document):
    """Retries of the load: attempts of one request at most, and their jittered backoff."""

    attempts_max: Whole = 3
    backoff_s: tuple[float, float] = (0.75, 2.25)


class Profile(Document):
    """One load profile: how many streams, and what each looks like."""

    name: str
    streams: Whole
    tokens_quantiles: Annotated[tuple[tuple[float, float], ...], Field(min_length=2)]
    tokens_per_s: Annotated[float, Field(gt=0)]
    first_token_s_mean: Annotated[float, Field(ge=0)]
    ramp_s: Annotated[float, Field(ge=0)]
    resolver_caches: Whole
    canaries_per_s: Annotated[float, Field(ge=0)]
    hold_connection_pct: Annotated[float, Field(ge=0, le=100)]
    retry: Retry

    @field_validator("tokens_quantiles")
    @classmethod
    def _whole_range(
        cls, quantiles: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        shares = [share for share, _ in quantiles]
        tokens = [count for _, count in quantiles]
        if shares[0] != 0 or shares[-1] != 100 or sorted(set(shares)) != shares:
            raise ValueError("quantiles from 0 to 100 percent, rising")
        if tokens != sorted(tokens) or tokens[0] < 1:
            raise ValueError("tokens from 1, not falling")
        return quantiles

    @property
    def mean_tokens(self) -> float:
        """Mean of the quantiles as they are drawn: straight lines between them."""
        return sum(
            (b - a) / 100 * (low + high) / 2
            for (a, low), (b, high) in pairwise(self.tokens_quantiles)
        )

    @property
    def mean_stream_s(self) -> float:
        """Mean length of a stream, in seconds: first token, then tokens at their speed."""
        return self.first_token_s_mean + self.mean_tokens / self.tokens_per_s

    def arrivals_per_s(self, scale: float = 1.0) -> float:
        """Arrivals that hold `streams` x `scale` open streams (Little's law)."""
        return self.streams * scale / self.mean_stream_s


class Source(Document):
    """Where the contract comes from."""

    title: str
    as_of: str

    @field_validator("as_of", mode="before")
    @classmethod
    def _date(cls, value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else value


class Contract(Document):
    """The whole contract."""

    schema_version: Literal[1]
    source: Source
    tiers: dict[str, Tier]
    gates: dict[str, Gate]
    triggers: Triggers
    measurement: Measurement
    traffic_source: str
    profiles: dict[str, Profile]
    file: str = ""
