"""The single faults of the experiments as Chaos Toolkit actions (imports as in `failover`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["provider_latency", "recovery", "redis_outage"]


@activity
def redis_outage(session: Session, seconds: float) -> str:
    """The region's Redis refuses for `seconds` of real time."""
    from muster.drill.phases import single_fault
    from muster.faults.redis_outage import RedisOutage

    single_fault.run(session, RedisOutage(session.platform, session.target.evacuate), seconds)
    return "applied, seen, reverted"


@activity
def provider_latency(session: Session, seconds: float, latency_ms: int, jitter_ms: int) -> str:
    """The region's primary provider route is `latency_ms` slower for `seconds` of real time."""
    from muster.drill.phases import single_fault
    from muster.faults.provider_latency import ProviderLatency

    fault = ProviderLatency(
        session.platform, session.target.evacuate, latency_ms=latency_ms, jitter_ms=jitter_ms
    )
    single_fault.run(session, fault, seconds)
    return "applied, seen, reverted"


@activity
def recovery(session: Session, seconds: float) -> str:
    """Hold the load for `seconds` of real time after the fault, still judged."""
    from muster.drill.phases import single_fault

    single_fault.recovery(session, seconds)
    return "held"
