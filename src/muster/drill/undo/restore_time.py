"""Trip to restored: how long it may take, and what the verdict says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.contract.model import Contract

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
        interval_s, threshold = max(health_checks.values(), default=(0, 0))
        bound_s += interval_s * threshold + START_UP_S
    return bound_s


def restore_finding(
    region: str, took_s: float | None, bound_s: float, *, seen: bool
) -> dict[str, Any]:
    """The finding. `took_s` None: traffic did not come back as before; not `seen`: nobody knows."""
    if took_s is not None:
        status = "pass" if took_s <= bound_s else "fail"
        reason = "from the sample that tripped to traffic back"
    elif seen:
        status, reason = "fail", "traffic did not come back as before"
    else:
        status = "unknown"
        reason = "load or watch had ended: nobody saw whether traffic came back"
    return {
        "slo": "restore_time",
        "tier": None,
        "phase": None,
        "region": region,
        "source": "client",
        "window": None,
        "threshold": bound_s,
        "measured": round(took_s, 3) if took_s is not None else None,
        "margin": round(bound_s - took_s, 3) if took_s is not None else None,
        "unit": "s",
        "samples": None,
        "status": status,
        "reason": reason,
    }
