"""A loss that takes no effect, and a change that somebody else replaces: both stop the drill."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from floor_fixtures import REGION
from held_clock import HeldClock

from muster.drill.phases import abrupt_loss
from muster.drill.sight import proofs
from muster.drill.stop import StopFlag
from muster.errors import DrillAborted
from muster.platform.port import Proof
from muster.reports.sentences import stopper


class Nothing:
    """A fault whose effect never shows."""

    kind, region, subject, stops_region = "region_partition", REGION, "partition", False
    cut_at_s, bite_s_max, look_s_max = None, 2.0, 1.0
    another = ""

    def __init__(self, platform, region, steady_s=0.0):
        self.applied = False

    def apply(self) -> None:
        self.applied = True

    def observe(self) -> Proof:
        return Proof(False, "no controller enforces it", another=self.another)


def a_session():
    clock = HeldClock()
    stop = StopFlag(clock)
    session = SimpleNamespace(
        target=SimpleNamespace(evacuate=REGION, name="t"),
        platform=None,
        steering=SimpleNamespace(weights=dict),
        clock=clock,
        stop=stop,
        poll_s=1.0,
        told=[],
        await_samples=lambda: None,
        write_undo=lambda fault: None,
        declare_fault=lambda fault: None,
        slow=lambda call: call(),
    )
    session.record = lambda event, **fields: session.told.append((event, fields))
    session.record_proof = lambda *fields: session.told.append(("fault_proof", fields))
    session.wait_until = lambda look, seconds: look()

    def stop_now(reason):
        stop.set(reason)
        stop.check()

    session.stop_now = stop_now
    return session


def test_a_loss_that_nobody_sees_is_inconclusive_and_no_fault_of_the_platform(monkeypatch):
    """Its detection is not waited for: there is nothing to detect."""
    monkeypatch.setattr(abrupt_loss, "phase", lambda *_: nullcontext())
    monkeypatch.setattr(abrupt_loss, "await_headroom", lambda session: None)
    monkeypatch.setattr(abrupt_loss.observe, "check_last_healthy", lambda *_: None)
    monkeypatch.setattr(abrupt_loss.observe, "steady_s", lambda session: 0.0)
    monkeypatch.setattr(abrupt_loss.observe, "broken", lambda *_: {"client": 0.0})
    session = a_session()
    with pytest.raises(DrillAborted):
        abrupt_loss.lose(session, Nothing)
    reason = session.stop.reason
    assert (reason.by, reason.verdict) == ("fault:not_proven", "INCONCLUSIVE")
    assert reason.detail == "partition: no effect in 2 s: no controller enforces it"
    events = [event for event, _ in session.told]
    assert events == ["fault_applied", "fault_proof"]
    assert session.told[-1][1][2].why == "no controller enforces it"
    assert stopper(reason.by).startswith("the fault took no effect")


@pytest.mark.parametrize(
    ("stops", "by"), [(False, "fault:changed_by_another"), (True, "power:changed_by_another")]
)
def test_what_somebody_else_replaces_stops_the_drill(stops, by):
    """By what it was: a region that was stopped, or another change."""
    session, fault = a_session(), Nothing(None, REGION)
    fault.stops_region, fault.another = stops, "released anew"
    looker = proofs._looker(session, fault, proofs._nothing)
    looker.once()
    reason = session.stop.reason
    assert (reason.by, reason.verdict) == (by, "ABORTED")
    assert reason.detail == "partition: released anew"
    assert stopper(by).startswith("somebody else")
