"""How a testbed is built: its parts, their ports and their limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import DnsName, PositiveSeconds

LAST_PORT_BASE = 65_000
"""The highest first port that a target may give for a block of ports."""


class TestbedHealthCheck(Document):
    """The health check of the records; `probe_interval_s` (tests only) probes more often than it
    says.
    """

    __test__ = False
    interval_s: Literal[10, 30] = 10
    threshold: Annotated[int, Field(ge=1, le=10)] = 1
    probe_interval_s: PositiveSeconds | None = None


class TestbedDns(Document):
    """The authoritative server in front of the testbed."""

    __test__ = False
    ttl_s: Annotated[int, Field(ge=1, le=86400)] = 5
    poll_s: PositiveSeconds = 0.5
    zone: DnsName | None = Field(
        default=None, description="null: the zone in steering, if its kind is route53"
    )
    record: DnsName | None = Field(
        default=None, description="null: the record in steering, if its kind is route53"
    )


class TestbedRegion(Document):
    """The addresses of a testbed's region."""

    __test__ = False
    address: str


class TestbedGateway(Document):
    """Limits of the testbed's gateways."""

    __test__ = False
    queue_s_max: PositiveSeconds = 2.0
    queue_jobs_max: Annotated[int, Field(ge=0)] = 500
    redis_fallback_s_max: PositiveSeconds = 120.0
    first_token_timeout_s: PositiveSeconds = 1.5
    circuit_open_s: PositiveSeconds = 10.0
    streams_limit_factor: PositiveSeconds = Field(
        default=1.5,
        description="ratio of a region's stream limit to all streams of profile and scale",
    )
    rate_limit_factor: PositiveSeconds = Field(
        default=3.0,
        description="ratio of a region's rate limit to all arrivals of profile and scale",
    )
    stalled_s: PositiveSeconds = Field(
        default=60.0, description="how long the planted defect stalled_streams delays a stream"
    )
    grace_s: PositiveSeconds = 5.0


class TestbedProvider(Document):
    """What the provider stub injects."""

    __test__ = False
    first_token_s_mean: PositiveSeconds = 0.6
    first_token_s_max: PositiveSeconds = 1.4
    tokens_per_s: PositiveSeconds = 33.0
    chunk_s: PositiveSeconds = 2.25


class TestbedRedis(Document):
    """Each region's Redis."""

    __test__ = False
    sentinel: bool = Field(
        default=False,
        description="true: it has a replica, and a Sentinel that promotes it and moves the proxies",
    )
    down_after_s: PositiveSeconds = Field(
        default=1.0, description="how long it must be silent until Sentinel promotes the replica"
    )


class TestbedSpec(Document):
    """How the testbed is built; only a target of class `testbed` has this section."""

    __test__ = False
    platform: Literal["muster", "foreign"] = Field(
        default="muster",
        description="software of the regions: Muster's own gateway, or LiteLLM behind Envoy",
    )
    run_as: Literal["processes", "pods"] = Field(
        default="processes",
        description="what gateways, Redis and Toxiproxy run as; pods: under a real kubelet on this "
        "machine, which needs Linux, root and `make setup-kubernetes`",
    )
    ready_s_max: PositiveSeconds = Field(
        default=45.0, description="how long one part may take to become ready"
    )
    port_base: Annotated[int, Field(ge=0, le=LAST_PORT_BASE)] = Field(
        default=7400, description="first of a block of ports; 0: a free block"
    )
    regions: dict[str, TestbedRegion]
    gateways_per_region: Annotated[int, Field(ge=0)] = Field(
        default=0, description="0: computed from profile and scale"
    )
    scrape_interval_s: PositiveSeconds = 1.0
    lifetime_s_max: PositiveSeconds = 6 * 3600.0
    dns: TestbedDns = TestbedDns()
    health_check: TestbedHealthCheck = TestbedHealthCheck()
    gateway: TestbedGateway = TestbedGateway()
    provider: TestbedProvider = TestbedProvider()
    redis: TestbedRedis = TestbedRedis()
