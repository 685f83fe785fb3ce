"""Tests the safety net on the real target, without moving any traffic.

Each part gets exactly the input that it must stop: the lock a second holder, the calendar a moment
in a freeze, the guard a planted breach. The watchdog must answer, and see the samples. The only
change is a record of Muster's own, which goes through undo log, read-back and restore as a fault
does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from muster.clock import utc
from muster.drill.lock.held import FileLock
from muster.drill.lock.lease import SharedLease
from muster.drill.phases.failover import phase
from muster.drill.session import Session
from muster.drill.stop import StopFlag, StopReason
from muster.drill.undo.restore import Restored, restore
from muster.drill.watchdog.messages import Rehearsed
from muster.errors import DrillAborted
from muster.faults.safety_record import SafetyRecord
from muster.guard.triggers import Guard, Trip
from muster.targets.calendar import Calendar, Freeze, Hours, blocked, span_of

INTRUDER = "safety-net-intruder"
TRACE_S = 20
BREACH = 4.0
"""The planted queue age, as a multiple of the gate's limit."""


def lock(session: Session) -> None:
    """A second holder is refused, here and in the target's store, and the lease can be renewed."""
    with phase(session, "safety_lock", None):
        _finding(session, "safety_lock_file", _file_lock_holds(session))
        lease = session.lock.lease
        if lease is not None:
            _finding(session, "safety_lock_shared", _intruder_gets_in(session, lease))
            _finding(session, "safety_lock_exclusive", lease.flaw())


def freeze(session: Session) -> None:
    """No drill may begin in a freeze or outside allowed hours: planted ones and the target's."""
    with phase(session, "safety_freeze", None):
        now = utc(session.clock)
        own = session.target.calendar
        zone = own.time_zone if own else "UTC"
        planted = (
            Calendar(time_zone=zone, frozen=(Freeze(from_=now, to=now + timedelta(minutes=1)),)),
            _shut_now(zone, now),
        )
        wrong = [f"{one} lets a drill begin" for one in planted if not blocked(one, now)]
        for frozen in own.frozen if own else ():
            start, end = span_of(frozen, own)  # type: ignore[arg-type]
            if not blocked(own, start + (end - start) / 2):
                wrong.append(f"the freeze from {frozen.from_} lets a drill begin")
        _finding(session, "safety_freeze", "; ".join(wrong))


def undo(session: Session) -> None:
    """A harmless change is logged, made, verified, restored from the log and read back."""
    with phase(session, "safety_undo", None):
        _apply(session)
        restored = restore(session.platform, session.undo, session.ledger, clock=session.clock)
        _finding(session, "safety_undo", _not_back(restored))


def guard(session: Session) -> None:
    """A planted breach trips a guard, which ends the waits, and everything is restored in time."""
    with phase(session, "safety_guard", None):
        _apply(session)
        healthy = _trips(session, breach=False)
        trips = _trips(session, breach=True)
        began_s = session.clock.monotonic_s()
        wrong = "" if not healthy else f"it tripped on a healthy trace: {healthy[0].name}"
        flag = StopFlag(session.clock)
        if trips:
            trip = trips[0]
            flag.set(StopReason(f"{trip.kind}:{trip.name}", "FAIL", trip.detail, trip.t_trip_s))
        try:
            flag.wait(0)
            wrong = wrong or "a planted breach did not stop what waited"
        except DrillAborted as stopped:
            session.record("planted_trip", by=stopped.by, detail=stopped.detail)
        _finding(session, "safety_watchdog", _watchdog_fails(session.watchdog.rehearse()))
        restored = restore(session.platform, session.undo, session.ledger, clock=session.clock)
        took_s = session.clock.monotonic_s() - began_s
        _finding(session, "safety_guard", wrong or _not_back(restored))
        limit_s = float(session.plan.contract.drill.restore_s_max)
        session.finding(
            "safety_restore_time",
            "pass" if took_s <= limit_s and restored.verified else "fail",
            measured=round(took_s, 3),
            threshold=limit_s,
            unit="s",
            source="muster",
            reason="from the planted trip to the read-back",
        )


def _watchdog_fails(answer: Rehearsed | None) -> str:
    """Why the watchdog could not act now; empty if it could."""
    if answer is None:
        return "the watchdog did not answer within its lease"
    if not answer.looks or not answer.sees:
        return "the watchdog does not see the samples"
    return ""


def _apply(session: Session) -> None:
    fault = SafetyRecord(session.platform, session.target.evacuate)
    session.write_undo(fault)
    fault.apply()
    session.record_proof(fault.kind, fault.region, fault.observe())


def _not_back(restored: Restored) -> str:
    return "" if restored.verified else f"not restored: {', '.join(restored.failed)}"


def _file_lock_holds(session: Session) -> str:
    second = FileLock(session.target.name, INTRUDER)
    try:
        second.acquire()
    except DrillAborted:
        return ""
    second.release()
    return "a second holder on this machine got the lock"


def _intruder_gets_in(session: Session, lease: SharedLease) -> str:
    second = SharedLease(
        lease.store,
        session.target.name,
        INTRUDER,
        place=INTRUDER,
        lease_s=lease.lease_s,
        clock_skew_s_max=lease.clock_skew_s_max,
    )
    try:
        second.acquire()
    except DrillAborted as error:
        # Unknown is refused too, but proves nothing.
        return "" if "held by" in error.detail else error.detail
    second.release()
    return "a second holder on another machine got the lock"


def _shut_now(zone: str, now: datetime) -> Calendar:
    """A calendar whose only hour is far from now."""
    other = (now + timedelta(hours=12)).hour
    hours = Hours(from_=f"{other:02}:00", to=f"{other:02}:30")
    return Calendar(time_zone="UTC" if zone else zone, allowed=(hours,))


def _trips(session: Session, *, breach: bool) -> list[Trip]:
    """What a guard with this drill's contract says to a trace in which only the queue's age
    changes.
    """
    plan = session.plan
    made = Guard(
        plan.contract,
        plan.gate,
        plan.contract.tiers[plan.gate.tier_in_drill],
        time_scale=plan.time_scale,
        regions=tuple(session.target.regions),
        stale_s=plan.contract.measurement.gap_s_max(session.target.prometheus.scrape_interval_s),
    )
    region = session.target.evacuate
    now_s = session.clock.now_s() - TRACE_S
    found: list[Trip] = []
    for second in range(TRACE_S):
        past = breach and second >= TRACE_S // 2
        age_s = BREACH * float(plan.gate.queue_age_s_max) if past else 0.0
        t_s = now_s + second
        series = [("queue_age", "queue_age", {"region": region}, (t_s,), (age_s,))]
        found += made.push(series, t_s, rotation=frozenset(session.target.regions), declared=())
    return [trip for trip in found if trip.kind != "data_lost"]


def _finding(session: Session, slo: str, wrong: str | Iterable[str]) -> None:
    text = wrong if isinstance(wrong, str) else "; ".join(wrong)
    session.finding(
        slo,
        "fail" if text else "pass",
        measured=None,
        threshold=None,
        unit="",
        source="muster",
        reason=text or "it stopped what it is there to stop",
    )
