"""The scale contract as frozen values.

Shares are exact fractions parsed from the file's text, so that no rounding of a float decides.
Durations are seconds. Edges and thresholds have the same decimal text, so floats compare exactly.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from muster.documents import Document

_PER_CENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?) ?%")


def parse_share(value: Any) -> Fraction:
    """`value` as an exact share of 1: `"99.5%"`, or a Fraction. Raises ValueError."""
    if isinstance(value, Fraction):
        share = value
    elif isinstance(value, str) and (match := _PER_CENT.fullmatch(value.strip())):
        share = Fraction(match.group(1)) / 100
    else:
        raise ValueError("a share in per cent such as 99.5%")
    if not 0 <= share <= 1:
        raise ValueError("a share from 0% to 100%")
    return share


def per_cent(share: Fraction) -> str:
    """A share as the contract's file writes it, without rounding: `99.95%`."""
    text = f"{float(share * 100):.9f}".rstrip("0").rstrip(".")
    return f"{text}%"


Share = Annotated[
    Fraction,
    BeforeValidator(parse_share),
    PlainSerializer(per_cent, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,9})? ?%$", "examples": ["99.5%"]}
    ),
]
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]
Edges = Annotated[tuple[PositiveSeconds, ...], Field(min_length=2)]
TierName = Literal["L", "G", "X"]
GateName = Literal["M1", "M2", "M3"]
HardFailure = Literal["redis_unavailable", "token_validation", "gateway_health"]


class Named(Document):
    """Something that the contract's file lists by name; the name is the key."""

    name: str = Field(default="", exclude=True)


class Tier(Named):
    """One tier: how many streams it sustains and its six SLOs."""

    title: str
    source: str
    streams: Count
    availability_min: Share
    success_2xx_min: Share
    rate_5xx_max: Share
    rate_429_max: Share
    first_token_p95_s_max: PositiveSeconds
    completion_p95_s_max: PositiveSeconds


class Gate(Named):
    """One gate: a tier held for a soak under a profile, and the gate's own rules."""

    source: str
    tier: TierName
    profile: str
    soak_s_min: PositiveSeconds
    queue_age_s_max: PositiveSeconds
    circuit_open_s_max: PositiveSeconds | None = None
    failover_actions_in_baseline_max: Annotated[int, Field(strict=True, ge=0)] | None = None
    drill_tier: TierName | None = None

    @property
    def tier_in_drill(self) -> TierName:
        """The tier by which a drill's own phases are judged: the gate's, unless it names
        another.
        """
        return self.drill_tier or self.tier


class WindowsRule(Document):
    """A number of consecutive windows in breach."""

    windows: Count


class CircuitRule(Document):
    """The route's circuit is open for longer than this."""

    route: str
    open_s_max: PositiveSeconds


class OverRule(Document):
    """Over the current limit for longer than this; 0: at once."""

    over_s_max: Seconds


class HardFailureRule(Document):
    """Failures that must not persist: which ones, and after how long they count as unresolved."""

    reasons: Annotated[tuple[HardFailure, ...], Field(min_length=1)]
    unresolved_s: PositiveSeconds


class Triggers(Document):
    """The five rollback triggers and how their windows are counted."""

    source: str
    rate_5xx: WindowsRule
    success_2xx: WindowsRule
    circuit_open: CircuitRule
    queue_age: OverRule
    hard_failure: HardFailureRule
    window_s: PositiveSeconds
    window_scrapes_min: Count
    unknown_windows_max: Count
    expected_after_revert_s: PositiveSeconds


class AbortLimits(Document):
    """When a drill stops itself, earlier than the triggers."""

    source: str
    rate_5xx: WindowsRule
    success_2xx: WindowsRule
    queue_age: OverRule


class FirstTokenSpan(Document):
    """The two moments between which first-token latency is measured."""

    from_: Literal["request_accepted"] = Field(alias="from")
    to: Literal["first_stream_byte"]


class CompletionSpan(Document):
    """The two moments between which completion latency is measured."""

    from_: Literal["request_accepted"] = Field(alias="from")
    to: Literal["stream_close"]


class AvailabilityRule(Document):
    """How canaries are counted."""

    answered_within_s: PositiveSeconds
    bound_confidence: Share


class Measurement(Document):
    """What is measured, between which moments, and in which buckets."""

    source: str
    first_token: FirstTokenSpan
    completion: CompletionSpan
    rate_429: Literal["apart_from_5xx"]
    success_rate_checks_include: Literal["success_2xx"]
    percentile: Share
    first_token_edges_s: Edges
    completion_edges_s: Edges
    gap_scrapes_max: Count
    gap_s_min: PositiveSeconds
    # Absent from older contracts, which old bundles carry.
    counts_tolerance: Share = Fraction(2, 100)
    availability: AvailabilityRule

    def gap_s_max(self, scrape_interval_s: float) -> float:
        """How old a sample may be to represent a moment, in seconds."""
        return max(self.gap_scrapes_max * scrape_interval_s, self.gap_s_min)


class LoadValidity(Document):
    """Limits of the load beyond which a run proves nothing."""

    source: str
    offered_tolerance: Share
    streams_tolerance: Share
    streams_standard_errors: PositiveNumber
    loop_lag_p99_s_max: PositiveSeconds
    late_s: PositiveSeconds
    late_share_max: Share
    # Absent from older contracts, which old bundles carry.
    blackout_s_max: PositiveSeconds = 5.0
    catch_up_s_max: PositiveSeconds = 1.0
    faster_than_asked_max: PositiveNumber = 4.0
    short_share_max: Share = Fraction(2, 100)


class DrillRules(Document):
    """What a failover drill must meet besides the SLOs."""

    source: str
    split_tolerance: Share
    shifted_share_max: Share
    shift_after_ttl_s: Seconds
    restore_s_max: PositiveSeconds
    dark_hold_s_min: PositiveSeconds
    bundle_age_s_max: PositiveSeconds
    # Absent from older contracts, which old bundles carry.
    recovery_quiet_s: PositiveSeconds = 60.0
    recovery_quiet_s_max: PositiveSeconds = 300.0


class ContextTokens(Document):
    """Prompt lengths of the trace, in tokens."""

    mean: PositiveNumber
    p50: PositiveNumber
    p95: PositiveNumber


class Retry(Document):
    """A client's retries: the most attempts in all, and the range of the random wait."""

    attempts_max: Count
    backoff_s: tuple[Seconds, Seconds]


class Profile(Named):
    """What the load engine offers at scale 1."""

    streams: Count
    source: str
    stream_tokens_quantiles: Annotated[
        tuple[tuple[Share, PositiveNumber], ...], Field(min_length=2)
    ]
    context_tokens: ContextTokens
    tokens_per_s: PositiveNumber
    first_token_s_mean: Seconds
    resolver_caches: Count
    canaries_per_s: PositiveNumber
    hold_connection_share: Share
    retry: Retry
    ramp_s: PositiveSeconds

    @property
    def mean_tokens(self) -> float:
        """Mean number of generated tokens in a drawn stream: the quantiles interpolated
        linearly.
        """
        points = self.stream_tokens_quantiles
        areas = (
            (q1 - q0) * (Fraction(t0) + Fraction(t1)) / 2 for (q0, t0), (q1, t1) in pairwise(points)
        )
        return float(sum(areas, Fraction(0)))

    @property
    def mean_stream_s(self) -> float:
        """Mean duration of a drawn stream, in seconds."""
        return self.mean_tokens / self.tokens_per_s + self.first_token_s_mean

    def streams_at(self, scale: float) -> int:
        """Concurrent streams at `scale` (Little's law turns them into arrivals)."""
        return max(1, round(self.streams * scale))

    @property
    def residual_s(self) -> float:
        """E[S^2] / 2E[S] in seconds: how long the count of open streams stays correlated with
        itself.
        """
        first, speed = self.first_token_s_mean, self.tokens_per_s
        square = 0.0
        for (a, low_tokens), (b, high_tokens) in pairwise(self.stream_tokens_quantiles):
            low = float(first) + float(low_tokens) / float(speed)
            high = float(first) + float(high_tokens) / float(speed)
            square += float(b - a) * (low * low + low * high + high * high) / 3
        return square / (2 * float(self.mean_stream_s))

    def arrivals_per_s(self, scale: float) -> float:
        """Arrivals a second that keep the profile's streams open at `scale`."""
        return self.streams * scale / self.mean_stream_s


class Source(Document):
    """The document from which the figures come."""

    document: str
    as_of: str


class Contract(Document):
    """The whole contract."""

    schema_version: Literal[1]
    source: Source
    tiers: dict[TierName, Tier]
    gates: dict[GateName, Gate]
    triggers: Triggers
    abort_limits: AbortLimits
    measurement: Measurement
    load_validity: LoadValidity
    drill: DrillRules
    profiles: Annotated[dict[str, Profile], Field(min_length=1)]
