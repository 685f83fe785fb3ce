"""A target: where a drill runs, how Muster reaches each part, and what a drill may change.

A drill never says where it runs; its target file does. Strings may hold `${testbed.KEY}` (filled
from the running testbed) and `${env.NAME}` (filled from the environment, so that the file holds no
secret); `muster.targets.resolve` fills them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from muster.documents import Document
from muster.errors import BadInput
from muster.targets.calendar import Calendar
from muster.targets.cluster import NoCluster, RegionCluster
from muster.targets.declared import NoSignal, declared_in
from muster.targets.dns_stub import DnsStub, RtoObjective
from muster.targets.drain import Drain
from muster.targets.kinds import (
    BaseUrl,
    Count,
    DnsName,
    HttpUrl,
    PositiveSeconds,
    PublicUrl,
    RedisUrl,
)
from muster.targets.load_access import Load
from muster.targets.names import Names, SteeringNames
from muster.targets.notify import Notify
from muster.targets.partition import NoPartition, Partition
from muster.targets.power import Power
from muster.targets.prometheus import PrometheusAccess
from muster.targets.provider_stub import ProviderStub
from muster.targets.redis_process import NoRedisProcess, RedisProcess
from muster.targets.redis_sentinel import RedisSentinel
from muster.targets.restart import NoRestart, Restart
from muster.targets.shared import Shared
from muster.targets.signals import (
    OWN_SIGNAL,
    SIGNALS_CLIENT,
    SIGNALS_KNOWN,
    SIGNALS_SERVER,
    SaidSignal,
    Signal,
    with_default_signals,
)
from muster.targets.steering import Route53Steering, Steering
from muster.targets.testbed import TestbedSpec

TargetClass = Literal["testbed", "staging", "production"]


class ToxiproxyAccess(Document):
    """A region's Toxiproxy: its API, and the names of its proxies by the service behind them."""

    url: BaseUrl
    proxies: dict[str, str] = Field(
        description="redis, provider_primary, provider_fallback -> name"
    )
    timeout_s: PositiveSeconds = 3.0
    restart: Restart = Field(
        default=NoRestart(),
        description="how to restart it if it hangs and its proxies cannot be created again",
    )


class Region(Document):
    """One region of the platform."""

    ready_url: HttpUrl = Field(description="answers 2xx while the region can take traffic")
    addresses: tuple[str, ...] = Field(
        default=(),
        description="addresses to which its DNS records resolve; empty: the records' own values",
    )
    toxiproxy: ToxiproxyAccess | None = None
    redis_url: RedisUrl | None = Field(
        default=None,
        description="the region's Redis on the path that its gateways use; "
        "Muster reads it to verify a fault; rediss: by TLS, with ?ssl_ca_certs=FILE for "
        "an authority of one's own",
    )
    redis_process: RedisProcess = Field(
        default=NoRedisProcess(), description="how its Redis server is halted, killed and started"
    )
    redis_sentinel: RedisSentinel | None = Field(
        default=None, description="the Sentinel that promotes the replica of its Redis"
    )
    power: Power
    partition: Partition = Field(
        default=NoPartition(), description="how it is cut off from everyone outside"
    )
    cluster: RegionCluster = Field(
        default=NoCluster(), description="what a drill may do to its pods (docs/kubernetes.md)"
    )
    drain: Drain | None = None


class BlastRadius(Document):
    """What a drill may change. Muster refuses anything else before it changes anything."""

    regions: Annotated[tuple[str, ...], Field(min_length=1)]
    zones: tuple[DnsName, ...] = Field(default=(), description="hosted zones, with the last dot")
    records: tuple[DnsName, ...] = ()
    proxies: tuple[str, ...] = Field(default=(), description="REGION/NAME of Toxiproxy proxies")
    redis: tuple[str, ...] = Field(
        default=(), description="regions whose Redis server may be halted, killed or set otherwise"
    )
    namespaces: tuple[str, ...] = Field(default=(), description="of Kubernetes")
    nodes: tuple[str, ...] = Field(
        default=(), description="of Kubernetes, that may be cordoned and drained"
    )
    commands: tuple[str, ...] = Field(
        default=(), description="first words of commands that stop, drain, steer or restart"
    )
    regions_dark_max: Annotated[int, Field(ge=0)] = Field(
        default=1, description="maximum number of regions that are dark at once; never all of them"
    )
    capacity_share_min: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0,
        description="minimum ratio of the survivors' stream limit to that of all regions",
    )
    streams_headroom_min: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="minimum ratio of the survivors' stream limit to all streams"
    )


class LossObjective(Document):
    """What the platform promises its users if a region is lost without warning, by whatever."""

    rto_s_max: PositiveSeconds = Field(
        description="maximum time from the loss until no attempt fails, in seconds of real time"
    )
    streams_broken_share_max: Annotated[float, Field(gt=0, le=1)] = Field(
        description="maximum ratio of the streams that the loss broke to the streams that were open"
    )


class EvacuationObjective(Document):
    """How long a controlled evacuation may take, in seconds of real time."""

    shift_s_max: PositiveSeconds | None = Field(
        default=None, description="from weight 0 until under 1 % of new streams go to the region"
    )
    drain_s_max: PositiveSeconds | None = Field(
        default=None, description="until the region's last stream has ended by itself"
    )
    restore_s_max: PositiveSeconds | None = Field(
        default=None, description="from the region's start until new streams are split as before"
    )


class Target(Document):
    """A whole target file."""

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
    class_: TargetClass = Field(alias="class")
    contract: str = "contract/phase5.yaml"
    provider: Literal["stub", "real"]
    tokens_max: Count
    time_scale: PositiveSeconds = 1.0
    evacuate: str = Field(description="the region that the drill evacuates")
    public_url: PublicUrl
    load: Load
    prometheus: PrometheusAccess
    steering: Steering
    names: Names = Field(
        default=SteeringNames(),
        description="TTL and detection of the public name; stated where the steering has none",
    )
    stream_seconds_max: PositiveSeconds = Field(description="no stream of the load lives longer")
    regions: Annotated[dict[str, Region], Field(min_length=2)]
    blast_radius: BlastRadius
    shared: Shared | None = Field(
        default=None,
        description="store for lock and undo entries outside this machine; "
        "only a testbed may have none",
    )
    calendar: Calendar | None = Field(default=None, description="when a drill may begin")
    notify: Notify | None = Field(
        default=None, description="who is told when a drill has ended (docs/notify.md)"
    )
    region_evacuation: EvacuationObjective | None = Field(
        default=None, description="limits for the times of a controlled evacuation; not needed"
    )
    region_loss: LossObjective | None = Field(
        default=None, description="limits for the abrupt loss of a region"
    )
    region_partition: LossObjective | None = Field(
        default=None, description="limits for a region that nobody outside reaches"
    )
    region_grey: LossObjective | None = Field(
        default=None, description="limits for a region that answers and fails its users"
    )
    incident: str | None = Field(
        default=None,
        description="PromQL; preflight refuses to start while the query returns any series",
    )
    signals_said: Annotated[dict[str, SaidSignal], AfterValidator(with_default_signals)] = Field(
        alias="signals",
        description="for each signal a PromQL selector, how the platform's series become it "
        "(docs/signals.md), or {none: why the platform has no such thing}; x_NAME: your own, "
        "recorded and not judged",
        json_schema_extra={
            "propertyNames": {
                "anyOf": [
                    {"enum": list(SIGNALS_KNOWN)},
                    {"pattern": OWN_SIGNAL},
                ]
            },
            "required": [*SIGNALS_SERVER, *SIGNALS_CLIENT],
        },
    )
    profiles: dict[str, dict[str, object]] = Field(
        default={},
        description="this target's own load profiles; never gate evidence. extends: NAME starts "
        "from another profile of this target or of the contract",
    )
    provider_stub: ProviderStub | None = Field(
        default=None, description="how a testbed's provider stub is told to fail"
    )
    dns_stub: DnsStub | None = Field(
        default=None, description="how a testbed's name server is told to fail"
    )
    dns_outage: RtoObjective | None = Field(
        default=None,
        description="limit for an outage of DNS: from its end until no more attempts fail than "
        "the contract's shifted share",
    )
    dns_stale: RtoObjective | None = Field(
        default=None,
        description="limit for stale answers: from their end until new streams are split by the "
        "records",
    )
    steering_stub: ProviderStub | None = Field(
        default=None, description="how a testbed's steering API is told to be away"
    )
    testbed: TestbedSpec | None = None

    @property
    def signals(self) -> dict[str, Signal]:
        """The signals that the platform has, and how each is read."""
        said = self.signals_said
        return {name: how for name, how in said.items() if not isinstance(how, NoSignal)}

    @property
    def declared(self) -> dict[str, str]:
        """The signals that the platform does not have, with the reasons."""
        return declared_in(self.signals_said)

    @property
    def route53(self) -> Route53Steering:
        """The Route 53 section of a testbed's target. Raises BadInput."""
        if isinstance(self.steering, Route53Steering):
            return self.steering
        wanted = "route53, or testbed.dns.zone and testbed.dns.record: a testbed has such records"
        raise BadInput(f"target {self.name}", "steering.kind", self.steering.kind, wanted)

    @property
    def survivors(self) -> tuple[str, ...]:
        """The regions that keep serving."""
        return tuple(region for region in self.regions if region != self.evacuate)
