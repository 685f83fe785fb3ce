"""Trip to restored: how long it may take, and what the verdict says of it."""

from __future__ import annotations

from collections.abc import Mapping

from muster.contract.model import Contract
from muster.judge.findings import Finding, observed
from muster.platform.steering.detection import slowest_s
from muster.samples.counting import Status

START_UP_S = 20.0


def restore_bound_s(
    contract: Contract, ttl_s: float, health_checks: Mapping[str, tuple[int, int]], *, dark: bool
) -> float:
    """Seconds from the trip to traffic back: the contract's and the TTL.

    From a dark region a health check's detection (interval times threshold) and start-up come on
    top. An abort puts the weights back in one step.
    """
    bound_s = float(contract.drill.restore_s_max) + ttl_s
    if dark:
        bound_s += slowest_s(health_checks) + START_UP_S
    return bound_s


def restore_finding(region: str, took_s: float | None, bound_s: float, *, seen: bool) -> Finding:
    """The finding. `took_s` None: traffic did not come back as before; not `seen`: nobody knows."""
    status: Status
    if took_s is not None:
        status = "pass" if took_s <= bound_s else "fail"
        reason = "from the sample that tripped to traffic back"
    elif seen:
        status, reason = "fail", "traffic did not come back as before"
    else:
        status = "unknown"
        reason = "load or watch had ended: nobody saw whether traffic came back"
    return observed(
        "restore_time",
        "client",
        status,
        reason,
        measured=None if took_s is None else round(took_s, 3),
        threshold=bound_s,
        unit="s",
        region=region,
    )
