"""Where a target keeps what must survive the drilling machine: its lock and its undo entries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import ApiUrl, DnsName, PositiveSeconds, ZoneId
from muster.targets.kubernetes import ClusterAccess


class _Lease(Document):
    lease_s: Annotated[float, Field(ge=5, le=600)] = Field(
        default=60.0, description="a holder that does not renew its lock for this long loses it"
    )
    clock_skew_s_max: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=30.0, description="maximum difference between the clocks of two drilling machines"
    )
    standby: bool = Field(
        default=False, description="refuse a drill while no `chaos drill standby` could restore it"
    )


class _Shared(_Lease):
    timeout_s: PositiveSeconds = 10.0
    endpoint_url: ApiUrl | None = Field(default=None, description="null: the real AWS")


class SharedTxt(_Shared):
    """TXT records below `name`. One change is one batch: DELETE exactly the old record, CREATE the
    new one.
    """

    kind: Literal["route53_txt"]
    zone: DnsName = Field(description="the hosted zone's name, with its last dot")
    zone_id: ZoneId | None = Field(default=None, description="needed if two zones have that name")
    name: DnsName = Field(description="the name below which the records are, with its last dot")
    calls_per_s_max: PositiveSeconds = 2.0


class SharedS3(_Shared):
    """Objects of a bucket. One change is one PUT with If-None-Match or If-Match."""

    kind: Literal["s3"]
    bucket: Annotated[str, Field(min_length=3)]
    prefix: str = Field(default="muster/", description="prefix of the objects' keys")
    region: str = Field(default="us-east-1", description="the bucket's AWS region")


class SharedKubernetes(ClusterAccess, _Lease):
    """ConfigMaps of a namespace. One change is one request that names the version it replaces."""

    kind: Literal["kubernetes"]
    timeout_s: PositiveSeconds = Field(
        default=3.0, description="time limit of one request, in seconds"
    )


AnyShared = SharedTxt | SharedS3 | SharedKubernetes
Shared = Annotated[AnyShared, Field(discriminator="kind")]
