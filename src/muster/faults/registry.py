"""Every fault by its kind: one line each, so that the engine never names one."""

from __future__ import annotations

from muster.errors import BadInput
from muster.faults.drain import Drain
from muster.faults.model import Fault
from muster.faults.provider_latency import ProviderLatency
from muster.faults.redis_outage import RedisOutage
from muster.faults.region_loss import RegionLoss
from muster.faults.region_power import RegionPower
from muster.faults.safety_record import SafetyRecord
from muster.faults.traffic_shift import TrafficShift
from muster.platform.platform import Platform
from muster.undo import UndoEntry

FAULTS: dict[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        TrafficShift,
        Drain,
        RegionPower,
        RegionLoss,
        RedisOutage,
        ProviderLatency,
        SafetyRecord,
    )
}


def stops_region(kind: str) -> bool:
    """Whether a fault of that kind leaves its region without processes."""
    fault = FAULTS.get(kind)
    return fault is not None and fault.stops_region


def fault_of(platform: Platform, entry: UndoEntry) -> Fault:
    """The fault that an undo entry remembers. Raises BadInput for a kind that is not known."""
    kind = FAULTS.get(entry.kind)
    if kind is None:
        raise BadInput("undo log", f"{entry.entry_id}.kind", entry.kind, f"one of {sorted(FAULTS)}")
    return kind.restore(platform, entry.region or platform.target.evacuate, entry.params)
