"""The configuration of a gateway process."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document

Address = tuple[str, Annotated[int, Field(ge=1, le=65535)]]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
GatewayDefect = Literal[
    "undersized_survivor",
    "cold_survivor",
    "cuts_streams_on_drain",
    "sheds_too_much",
    "queue_stuck",
    "errors_in_stream",
    "empty_streams",
    "cached_answers",
    "stalled_streams",
    "counts_half",
    "sawtooth_counters",
    "no_redis_fallback",
    "waits_for_redis",
    "asks_redis_in_turn",
    "refuses_redis_errors",
    "loads_scripts_once",
    "never_reconnects",
    "passes_on_429",
    "passes_on_stream_errors",
    "stays_on_route",
    "impatient",
    "connects_anew",
    "passes_on_breaks",
    "shallow_health",
    "small_redis_fallback",
    "refuses_cold_redis",
    "keeps_connections",
    "ready_too_early",
    "no_spare_gateway",
]


class CircuitConfig(Document):
    """When a route is left, and how it is tried again."""

    window: Count = Field(default=40, description="the last so many outcomes are looked at")
    failures_min: Count = Field(default=10, description="fewer failures never open it")
    failure_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    open_s: Seconds = 10.0
    successes: Count = Field(default=3, description="probes in a row that close it again")


class Upstreams(Document):
    """The address of each route of the provider."""

    primary: Address
    fallback: Address


class GatewayConfig(Document):
    """One gateway process. `..._region` figures are for all gateways of the region together."""

    region: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    index: Annotated[int, Field(ge=0)] = 0
    listen: Address
    more_addresses: tuple[str, ...] = Field(
        default=(), description="where it listens too, at the same port"
    )
    admin: Address
    waits_for_probe: bool = Field(
        default=False, description="lets clients in once a kubelet has found it ready"
    )
    redis: Address
    providers: Upstreams
    token: Annotated[str, Field(min_length=1)]
    canary_token: Annotated[str, Field(min_length=1)]
    gateways_in_region: Count = 1
    streams_limit_region: Count
    rate_limit_per_s_region: Count
    queue_s_max: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    queue_jobs_max: Annotated[int, Field(ge=0)] = 500
    redis_timeout_s: Seconds = 0.25
    redis_fallback_s_max: Seconds = 120.0
    first_token_timeout_s: Seconds = 1.5
    answer_s_max: Seconds = Field(default=60.0, description="no first byte for longer: 504")
    silence_s_max: Seconds = Field(default=30.0, description="a stream silent for longer is cut")
    upstream_connections_max: Count = Field(default=200, description="to each route")
    upstream_idle_s_max: Seconds = 60.0
    client_idle_s_max: Seconds = 75.0
    request_s_max: Seconds = 10.0
    body_bytes_max: Count = 1 << 20
    circuit: CircuitConfig = CircuitConfig()
    defect: GatewayDefect | None = None
    shed_at_streams: Count | None = Field(
        default=None, description="undersized_survivor; null: 60 % of the limit over 1.5"
    )
    warm_streams: Count | None = Field(
        default=None, description="cold_survivor, queue_stuck; null: half of the limit"
    )
    cold_extra_s: Seconds = 3.0
    tokens_from: Address | None = Field(
        default=None, description="survivor_admission_evacuated: which process validates tokens"
    )
    cold_start_s: Seconds = Field(default=8.0, description="ready_too_early")
    cold_redis_s: Seconds = Field(default=8.0, description="refuses_cold_redis")
    stalled_s: Seconds = Field(default=60.0, description="stalled_streams")
    patience_s: Seconds = Field(default=0.4, description="impatient")
    build: str = "testbed"
    grace_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    edges_first_token_s: tuple[Seconds, ...] = (2.0, 2.5, 3.0)
    edges_completion_s: tuple[Seconds, ...] = (15.0, 18.0, 20.0)
    parent_pid: int | None = None

    @property
    def streams_limit(self) -> float:
        """This gateway's part of the region's limit."""
        return self.streams_limit_region / self.gateways_in_region
