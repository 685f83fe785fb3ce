"""Trip to restored: the allowed time, and the finding about it."""

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
    """Allowed seconds from the trip to restored traffic: the contract's plus the TTL.

    From a dark region, a health check's detection (interval times threshold) and start-up are
    added. An abort restores the weights in one step.
    """
    bound_s = float(contract.drill.restore_s_max) + ttl_s
    if dark:
        bound_s += slowest_s(health_checks) + START_UP_S
    return bound_s


def restore_finding(region: str, took_s: float | None, bound_s: float, *, seen: bool) -> Finding:
    """The finding. `took_s` None: traffic was not restored; not `seen`: that is unknown."""
    status: Status
    if took_s is not None:
        status = "pass" if took_s <= bound_s else "fail"
        reason = "from the sample that tripped to traffic back"
    elif seen:
        status, reason = "fail", "traffic did not come back as before"
    else:
        status = "unknown"
        reason = "load or watch had ended: whether traffic came back was not observed"
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
