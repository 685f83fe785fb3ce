"""The processes in which a planted defect lives.

A defect is planted where its drill must find it: what a survivor cannot bear in the survivors, what
a drain triggers in the evacuated region. What a fault triggers is in every region, because an
experiment may choose any.
"""

from __future__ import annotations

from typing import Literal

from muster.errors import BadInput, one_of
from muster.testbed.design.defects import DEFECTS

Kind = Literal["gateway", "provider", "dns", "region", "redis", "sentinel", "tokens", "route53"]


def check_defect(defect: str | None) -> None:
    """Raises BadInput for a defect that does not exist."""
    if defect is not None and defect not in DEFECTS:
        raise BadInput("--defect", "", defect, one_of(defect, sorted(DEFECTS)))


def defect_of(
    defect: str | None, kind: Kind, region: str | None = None, evacuated: str | None = None
) -> str | None:
    """`defect` if a process of that kind in `region` has it; else None.

    The kind `region` is the region's switch, `redis` the Redis that its gateways get, `tokens` what
    validates the tokens of their clients.
    """
    if defect is None:
        return None
    part = DEFECTS[defect].part
    has = {
        "gateway_survivor": kind == "gateway" and region != evacuated,
        "gateway_evacuated": kind == "gateway" and region == evacuated,
        "gateway_faulted": kind == "gateway",
        "provider": kind == "provider",
        "dns": kind == "dns",
        "region_evacuated": kind == "region" and region == evacuated,
        "survivor_redis": kind == "redis" and region != evacuated,
        "sentinel": kind == "sentinel",
        "route53": kind == "route53",
        "survivor_tokens": kind == "tokens" and region != evacuated,
    }[part]
    return defect if has else None
