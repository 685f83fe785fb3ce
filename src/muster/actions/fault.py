"""The single faults of the experiments as Chaos Toolkit actions."""

from __future__ import annotations

from muster.actions.wrap import activity
from muster.drill import single_fault
from muster.drill.session import Session
from muster.faults.provider_latency import ProviderLatency
from muster.faults.redis_outage import RedisOutage

__all__ = ["provider_latency", "recovery", "redis_outage"]


@activity
def redis_outage(session: Session, seconds: float) -> str:
    """The region's Redis refuses for `seconds` of real time."""
    single_fault.run(session, RedisOutage(session.target, session.target.evacuate), seconds)
    return "applied, seen, reverted"


@activity
def provider_latency(session: Session, seconds: float, latency_ms: int, jitter_ms: int) -> str:
    """The region's primary provider route is `latency_ms` slower for `seconds` of real time."""
    fault = ProviderLatency(
        session.target, session.target.evacuate, latency_ms=latency_ms, jitter_ms=jitter_ms
    )
    single_fault.run(session, fault, seconds)
    return "applied, seen, reverted"


@activity
def recovery(session: Session, seconds: float) -> str:
    """Hold the load for `seconds` of real time after the fault, still judged."""
    single_fault.recovery(session, seconds)
    return "held"
