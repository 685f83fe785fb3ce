"""Where a target keeps what must outlive the drilling machine: its lock and its undo entries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import ApiUrl, DnsName, PositiveSeconds, ZoneId


class _Shared(Document):
    lease_s: Annotated[float, Field(ge=5, le=600)] = Field(
        default=60.0, description="a holder that has not renewed its lock for longer has lost it"
    )
    clock_skew_s_max: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=30.0, description="how far the clocks of two drilling machines may differ"
    )
    timeout_s: PositiveSeconds = 10.0
    endpoint_url: ApiUrl | None = Field(default=None, description="null: the real AWS")


class SharedTxt(_Shared):
    """TXT records under `name`; a change is one batch of DELETE the exact old, CREATE the new."""

    kind: Literal["route53_txt"]
    zone: DnsName = Field(description="the hosted zone's name, with its last dot")
    zone_id: ZoneId | None = Field(default=None, description="where two zones have that name")
    name: DnsName = Field(description="the records stand under this name, with its last dot")
    calls_per_s_max: PositiveSeconds = 2.0


class SharedS3(_Shared):
    """Objects of a bucket; a change is a PUT with If-None-Match or If-Match."""

    kind: Literal["s3"]
    bucket: Annotated[str, Field(min_length=3)]
    prefix: str = Field(default="muster/", description="the objects' keys begin with it")
    region: str = Field(default="us-east-1", description="the bucket's AWS region")


Shared = Annotated[SharedTxt | SharedS3, Field(discriminator="kind")]
