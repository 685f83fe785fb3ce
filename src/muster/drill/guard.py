"""The guard of a running drill: rollback triggers and the drill's own limits, on every sample.

`muster.guard.triggers`, which is pure, decides. This module tells it what is in rotation and which
faults are declared, and turns a trip into a line of the ledger and the reason to stop.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from muster.clock import SYSTEM_CLOCK, Clock
from muster.contract.model import Contract, Gate
from muster.drill.sight.behind import HeldBack, SamplesClock
from muster.drill.stop import StopReason
from muster.guard.rotation import Rotation
from muster.guard.triggers import Declared, Guard, Trip
from muster.platform.metrics import RawSeries
from muster.targets import Target

logger = logging.getLogger("chaostoolkit")
ALSO_MAX = 3
"""Trips that a short line names; the ledger has them all."""


class GuardControl(Protocol):
    """The calls by which a drill informs its guards."""

    def arm(self) -> None:
        """From now on a trip stops the drill."""

    def disarm(self) -> None:
        """The samples say nothing from now on."""

    def declare(self, fault: str, region: str, expects: Sequence[str]) -> None:
        """A fault is about to be applied."""

    def reverted(self, fault: str, region: str) -> None:
        """A fault was reverted."""


class Record(Protocol):
    """The place where a trip is recorded."""

    def __call__(self, event: str, **fields: Any) -> None:
        """Record the event."""


@dataclass
class _Fault:
    fault: str
    region: str
    expects: tuple[str, ...]
    declared_s: float
    reverted_s: float | None = None


class DrillGuard:
    """Armed from the first judged phase on; what a declared fault must cause does not trip it.

    Behind a server that ingests late it lives `prometheus.delay_s` in the past: samples, records
    and its own arming reach it in the order of their times. Otherwise samples of a region that is
    dark already would be judged as in rotation, and the other way round.
    """

    def __init__(
        self,
        target: Target,
        contract: Contract,
        gate: Gate,
        time_scale: float,
        record: Record,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._record_event = record
        self._clock = clock
        self._faults: list[_Fault] = []
        self._told: set[str] = set()
        self._samples = SamplesClock.of(target.prometheus, clock)
        self._held = HeldBack()
        self._armed = False
        self._armed_s = 0.0
        self._rotation = Rotation(target.regions)
        self._guard = Guard(
            contract,
            gate,
            contract.tiers[gate.tier_in_drill],
            time_scale=time_scale,
            regions=tuple(target.regions),
            stale_s=contract.measurement.gap_s_max(target.prometheus.scrape_interval_s),
            declared_none=frozenset(target.declared),
        )

    def arm(self) -> None:
        """From now on a trip stops the drill."""
        if not self._armed:
            self._armed, self._armed_s = True, self._clock.now_s()

    def disarm(self) -> None:
        """The load is ending: samples say nothing from now on."""
        self._armed = False

    def declare(self, fault: str, region: str, expects: Sequence[str]) -> None:
        """A fault is about to be applied; it must cause `expects` in its region."""
        now_s = self._clock.now_s()
        self._faults.append(_Fault(fault, region, tuple(expects), now_s))

    def reverted(self, fault: str, region: str) -> None:
        """The fault was reverted; its effects stay expected for a while."""
        for known in self._faults:
            if (known.fault, known.region) == (fault, region) and known.reverted_s is None:
                known.reverted_s = self._clock.now_s()

    def expects(self, signal: str) -> bool:
        """Whether a declared fault, not reverted yet, must disturb `signal` somewhere."""
        return any(one.reverted_s is None and signal in one.expects for one in self._faults)

    def look(self, fresh: Sequence[RawSeries], now_s: float) -> StopReason | None:
        """Push new samples; return the reason to stop if they give one while the guard is armed."""
        if self._samples.delay_s:
            now_s -= self._samples.delay_s
            fresh = self._held.due(fresh, now_s)
        self._rotation.saw((one.signal, one.labels, one.v) for one in fresh)
        if not self._armed or (self._samples.delay_s and now_s < self._armed_s):
            return None
        declared = [
            Declared(f.fault, f.region, f.expects, f.declared_s, f.reverted_s) for f in self._faults
        ]
        trips = self._guard.push(
            [(s.signal, s.name, s.labels, s.t_s, s.v) for s in fresh],
            now_s,
            rotation=self._rotation.regions,
            declared=declared,
        )
        # Said first: a ledger that cannot be written stops the drill, and this is why it tripped.
        self._say(trips)
        for trip in trips:
            self._record(trip)
        return self._reason(trips[0]) if trips else None

    def _record(self, trip: Trip) -> None:
        self._record_event(
            trip.kind,
            **{"signal" if trip.kind == "data_lost" else trip.kind: trip.name},
            region=trip.region,
            t_trip=trip.t_trip_s,
            detail=trip.detail,
            windows=[list(window) for window in trip.windows],
            source=trip.source,
            measured=trip.measured,
            threshold=trip.threshold,
            unit=trip.unit,
        )

    def _say(self, trips: Sequence[Trip]) -> None:
        """Log the first trip of a reason in full, and what else trips with it in one short line.

        One loss of data trips once for each signal that was lost. Nothing is said twice.
        """
        fresh: dict[str, Trip] = {}
        for trip in trips:
            # A signal may be lost at the load and at the server: one name.
            if (name := _named(trip)) not in self._told:
                fresh.setdefault(name, trip)
        named = list(fresh)
        self._told.update(named)
        if named and (by := self._reason(fresh[named[0]]).by) not in self._told:
            self._told.add(by)
            first = named.pop(0)
            logger.error("guard: %s: %s", first, fresh[first].detail)
        if named:
            more = len(named) - ALSO_MAX
            also = ", ".join(named[:ALSO_MAX]) + (f" and {more} more" if more > 0 else "")
            logger.error("guard: also %s", also)

    def _reason(self, trip: Trip) -> StopReason:
        if trip.kind == "data_lost":
            return StopReason("data_lost", "ABORTED", trip.detail, trip.t_trip_s)
        return StopReason(f"{trip.kind}:{trip.name}", "FAIL", trip.detail, trip.t_trip_s)


def _named(trip: Trip) -> str:
    return f"{trip.kind} {trip.name}{f' in {trip.region}' if trip.region else ''}"
