"""How traffic is distributed between a target's regions."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import ApiUrl, DnsName, PositiveSeconds, SetIdentifiers, ZoneId
from muster.targets.kubernetes import ClusterAccess


class Route53Steering(Document):
    """Traffic by weighted Route 53 records (source: its API's ChangeResourceRecordSets)."""

    shows_names: ClassVar[bool] = True
    """Whether TTL, addresses and health checks can be read from the same place as the weights."""
    identifiers_key: ClassVar[str] = "set_identifiers"
    """The key that names the parts of each region."""

    kind: Literal["route53"]
    endpoint_url: ApiUrl | None = Field(default=None, description="null: the real Route 53")
    zone: DnsName = Field(description="the hosted zone's name, with its last dot")
    zone_id: ZoneId | None = Field(
        default=None, description="needed if a public and a private zone have that name"
    )
    record: DnsName = Field(description="the weighted record's name, with its last dot")
    set_identifiers: dict[str, SetIdentifiers] = Field(
        default={},
        description="region -> SetIdentifier of its records, or a list; default: the region's name",
    )
    detection_s_max: PositiveSeconds | None = Field(
        default=None,
        description="seconds until DNS stops answering with a lost region; null: by its "
        "health check",
    )
    wait_insync: bool = True
    calls_per_s_max: PositiveSeconds = 1.0
    timeout_s: PositiveSeconds = 10.0

    @property
    def identifiers(self) -> dict[str, tuple[str, ...]]:
        """`set_identifiers` with a tuple for each region that it names."""
        return {
            region: (given,) if isinstance(given, str) else tuple(given)
            for region, given in self.set_identifiers.items()
        }


class CommandSteering(Document):
    """Traffic by a command of the target's own: `argv weights` and `argv set REGION=WEIGHT …`."""

    shows_names: ClassVar[bool] = False
    identifiers: ClassVar[dict[str, tuple[str, ...]]] = {}
    identifiers_key: ClassVar[str] = ""

    kind: Literal["command"]
    argv: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    weight_sum: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        default=100,
        description="approximate sum of the weights in a step; 100 gives whole percents",
    )
    calls_per_s_max: PositiveSeconds = 1.0
    timeout_s: PositiveSeconds = 10.0


class GatewayApiSteering(ClusterAccess):
    """Traffic by the weights of an HTTPRoute of Kubernetes' Gateway API."""

    shows_names: ClassVar[bool] = False
    identifiers_key: ClassVar[str] = "backends"

    kind: Literal["gateway_api"]
    route: Annotated[str, Field(min_length=1)] = Field(description="the HTTPRoute's name")
    backends: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default={},
        description="region -> name of its backendRef; default: the region's name",
    )
    weight_sum: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        default=100,
        description="approximate sum of the weights in a step; 100 gives whole percents",
    )
    calls_per_s_max: PositiveSeconds = 1.0
    timeout_s: PositiveSeconds = Field(
        default=30.0, description="also until the route's controller has seen a change"
    )

    @property
    def identifiers(self) -> dict[str, tuple[str, ...]]:
        """`backends` with a tuple for each region that it names."""
        return {region: (backend,) for region, backend in self.backends.items()}


Steering = Annotated[
    Route53Steering | CommandSteering | GatewayApiSteering, Field(discriminator="kind")
]
