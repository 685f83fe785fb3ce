"""Phases whose samples come late, on a held clock: what is counted, and by which moments."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from floor_fixtures import REGION
from held_clock import HeldClock
from test_delay import CONTRACT, DELAY_S, a_late_target, raw

from muster.drill import abort
from muster.drill.phases import failover
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.facts import KEEP_S, Facts
from muster.drill.stop import StopFlag
from muster.platform import platform_of


class Late(SimpleNamespace):
    """As much of a session as a phase needs; each second's samples come `late_s` later."""

    plan = SimpleNamespace(contract=CONTRACT)
    poll_s, time_scale, phase, ttl_s, detection_s = 2.0, 60.0, "", 1, 10

    def __init__(self, declared_s: float, late_s: float, count) -> None:
        """`count(t_s)`: how many connections the load had tried to the region by then."""
        clock = HeldClock(1000.0, on_wait=self._comes)
        target = a_late_target(declared_s)
        self.late_s, self.count, self.came_s = late_s, count, clock.now_s() - late_s
        super().__init__(
            clock=clock,
            target=target,
            platform=platform_of(target, clock),
            samples=SamplesClock(declared_s, clock),
            facts=Facts(3.0, keep_s=KEEP_S + declared_s),
            stop=StopFlag(clock),
            drain_look=SimpleNamespace(rest=lambda: None),
            counts_before={},
            health_checks={},
            findings=[],
            timings={},
        )
        self._comes(0.0)

    def _comes(self, passed_s: float) -> None:
        until_s = self.clock.now_s() - self.late_s if "clock" in self.__dict__ else 0.0
        while self.came_s <= until_s:
            self.facts.add([raw("client_connections", self.came_s, self.count(self.came_s))])
            self.came_s += 1.0

    def __getattr__(self, name: str):
        if name in ("record", "write_undo", "declare_fault", "phase_start", "phase_end"):
            return lambda *args, **fields: None
        raise AttributeError(name)

    def slow(self, call):
        return call()

    def await_samples(self) -> None:
        Session.await_samples(self)

    def let_pass(self, seconds: float) -> None:
        end_s = self.clock.monotonic_s() + seconds
        while self.clock.monotonic_s() < end_s:
            self.clock.sleep(0.5)

    def finding(self, slo: str, status: str, **fields) -> None:
        self.findings.append((slo, status, fields["measured"]))

    def timing(self, name: str, value_s: float) -> None:
        self.timings[name] = value_s


@pytest.mark.parametrize(
    ("tried_at_s", "status"),
    [
        (995.0, "pass"),  # before the region was stopped, and shown after it
        (1001.0, "fail"),
        (1059.0, "fail"),
        (1119.0, "fail"),  # in the last second of the hold
        (None, "pass"),
    ],
)
@pytest.mark.parametrize("late_s", [DELAY_S, 20.0])
def test_every_connection_to_the_dark_region_is_counted(
    tried_at_s, status, late_s, monkeypatch
) -> None:
    """From the moment at which it was seen to be dark to the end of the hold."""

    @contextmanager
    def looked_at(session, fault, contrary):
        yield
        session.await_samples()

    power = SimpleNamespace(kind="region_power", apply=lambda: None)
    monkeypatch.setattr(failover, "RegionPower", lambda *args, **more: power)
    monkeypatch.setattr(observe, "check_last_healthy", lambda session, region: None)
    monkeypatch.setattr(proofs, "await_bite", lambda session, fault: SimpleNamespace(proven=True))
    monkeypatch.setattr(proofs, "throughout", looked_at)
    session = Late(
        DELAY_S, late_s, lambda t_s: 40.0 + (tried_at_s is not None and t_s >= tried_at_s)
    )
    failover.darken(session, "G", minutes=55.0)
    assert [(slo, found) for slo, found, _ in session.findings] == [("traffic_split", status)]


def test_a_phase_waits_for_samples_only_where_they_are_late() -> None:
    """By the delay, and by the poll that takes them."""
    for declared_s, waits_s in ((0.0, 0.0), (DELAY_S, DELAY_S + 2.0)):
        session = Late(declared_s, declared_s, lambda t_s: 0.0)
        session.await_samples()
        assert session.clock.passed_s == waits_s
        assert observe.split_seconds_max(session, leaving=True) == 17.0 + declared_s


def test_trip_to_restored_is_measured_from_sample_to_sample(monkeypatch) -> None:
    """How late the samples come is not how long the platform took; missing, it is not known."""
    for declared_s, back_s, took_s in (
        (DELAY_S, 5.0, 40.0),
        (0.0, 5.0, 100.0),
        (DELAY_S, None, None),
    ):
        session = Late(declared_s, DELAY_S, lambda t_s: 0.0)
        session.weights_before = {REGION: 50}
        alive = SimpleNamespace(alive=True)
        session.load = SimpleNamespace(started=True, alive=lambda: True)
        session.watch = alive
        asked: list[float] = []

        def wait(session, weights, seconds_max, back_s=back_s, asked=asked):
            asked.append(seconds_max)
            return back_s

        monkeypatch.setattr(observe, "wait_split_back", wait)
        session.shown_after_s = lambda since_s, session=session: Session.shown_after_s(
            session, since_s
        )
        session.facts.add([raw("client_answers", 940.0, 1.0)])
        abort._measure(session, 900.0, False)
        assert session.timings.get("trip_to_restored_s") == took_s
        assert asked == [2 * 11.0 + 6.0 + declared_s]
