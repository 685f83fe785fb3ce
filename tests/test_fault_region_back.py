"""A region is back when it stays ready, is whole, and holds what it held: not for one moment."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from floor_fixtures import REGION, a_target, free_port, stand_in
from held_clock import HeldClock

from muster.drill.undo.restore import restore
from muster.faults import capacity, fault_of
from muster.faults.back import Stretch, back_s_max
from muster.faults.region_power import RegionPower
from muster.platform import platform_of
from muster.platform.looks import look_at
from muster.undo import UndoEntry, UndoHeader, UndoLog


def looks(stretch: Stretch, clock: HeldClock, good: str, apart_s: float) -> float | None:
    """Seconds until the stretch is long enough; `good` is a repeating pattern of + and -."""
    for index in range(600):
        if stretch.look(good[index % len(good)] == "+"):
            return clock.passed_s
        clock.advance(apart_s)
    return None


def test_a_region_that_flaps_is_never_back() -> None:
    """200 and 503 in turn every 2 s: no stretch outlasts a check of 10 s."""
    clock = HeldClock()
    assert looks(Stretch(10.3, clock), clock, "+" * 7 + "-" * 7, 0.3) is None


def test_a_steady_region_is_back_after_a_checks_interval() -> None:
    """Ready at every look for longer than 10 s; one bad look begins the stretch anew."""
    clock = HeldClock()
    took_s = looks(Stretch(10.3, clock), clock, "+", 0.3)
    assert took_s == pytest.approx(10.5)
    clock = HeldClock()
    stretch = Stretch(10.3, clock)
    for _ in range(10):
        assert not stretch.look(True)
        clock.advance(1.0)
    assert not stretch.look(False)
    clock.advance(1.0)
    assert not stretch.look(True)
    clock.advance(10.4)
    assert stretch.look(True)


def test_one_good_look_is_enough_where_no_stretch_is_asked_for() -> None:
    """An undo log that is older than the stretch asks for none."""
    assert Stretch(0.0).look(True)
    assert not Stretch(0.0).look(False)
    assert back_s_max(10.3, 1.0) > 3 * 10.3


class World:
    """A region's switch, its front and its Prometheus. `flaps`: 503 at every other look."""

    def __init__(self) -> None:
        self.power = "on"
        self.limits: dict[str, float] = {"a": 150.0, "b": 150.0}
        self.flaps = False
        self.looked = 0
        self.warm_up = 0
        self.after: dict[str, float] | None = None

    def switch(self, call):
        if call.method == "POST":
            verb = call.path.rpartition("/")[2]
            self.power = {"stop": "off", "start": "on"}[verb]
            if verb == "start" and self.after is not None:
                self.limits = self.after
        return 200, {"power": self.power}

    def front(self, call):
        self.looked += 1
        flapping = self.flaps and self.looked % 2
        return (200 if self.power == "on" and not flapping else 503), ""

    def prometheus(self, call):
        shown = {"a": 150.0} if self.warm_up else self.limits
        self.warm_up = max(0, self.warm_up - 1)
        now_s = 1e9
        series = [
            {
                "metric": {"__name__": "limit", "region": REGION, "instance": name},
                "values": [[now_s - 1, "1"], [now_s, str(value)]],
            }
            for name, value in shown.items()
        ]
        old = {"__name__": "limit", "region": REGION, "instance": "gone"}
        series.append({"metric": old, "values": [[now_s - 30, "999"]]})
        other = {"__name__": "limit", "region": "other", "instance": "x"}
        series.append({"metric": other, "values": [[now_s, "300"]]})
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": series}}


@contextmanager
def a_world(steady_s: float = 0.05):
    """A world, and a fault on it whose undo log knows what was there before."""
    world = World()
    with (
        stand_in(world.switch) as switch,
        stand_in(world.front) as front,
        stand_in(world.prometheus) as prometheus,
    ):
        power = {"kind": "process", "url": f"{switch.url}/r", "token": "t", "timeout_s": 1.0}
        target = a_target(region={"ready_url": front.url, "power": power})
        access = target.prometheus.model_copy(
            update={"url": prometheus.url, "scrape_interval_s": 0.05}
        )
        target = target.model_copy(update={"prometheus": access})
        yield world, RegionPower(platform_of(target), REGION, steady_s=steady_s)


def from_log(fault: RegionPower, params) -> RegionPower:
    """The fault as another process reads it from the undo log."""
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    found = fault_of(fault.platform, entry)
    assert isinstance(found, RegionPower)
    return found


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What never comes is waited for as briefly as the test needs."""
    monkeypatch.setattr("muster.faults.back.START_S", 0.6)
    monkeypatch.setattr("muster.faults.region_away.LOOK_APART_S", 0.02)


def test_what_it_held_before_is_in_the_undo_log() -> None:
    """The limit of its live processes alone, the stretch, and what it answered."""
    with a_world() as (_, fault):
        assert fault.undo_params() == {"steady_s": 0.05, "answered": 200, "streams_limit": 300.0}


def test_a_region_that_comes_back_whole_is_back() -> None:
    """As many streams fit as before, by the undo log alone."""
    with a_world() as (world, fault):
        params = fault.undo_params()
        fault.apply()
        restored = from_log(fault, params)
        restored.revert()
        back = restored.read_back()
        assert back.ok
        assert back.actual == "ready, power on, room for 300 streams"
        world.limits = {"a": 151.0, "b": 299.0}
        assert restored.read_back().ok, "more than before is no loss"


@pytest.mark.parametrize("after", [{"a": 75.0}, {"a": 37.5, "b": 37.5}, {"a": 150.0}])
def test_room_for_fewer_streams_is_not_back_and_says_what_is_missing(after) -> None:
    """A quarter of the limit, or one gateway of two: ready, power on, and not as it was."""
    with a_world() as (world, fault):
        params = fault.undo_params()
        fault.apply()
        world.after = after
        restored = from_log(fault, params)
        restored.revert()
        back = restored.read_back()
        assert not back.ok
        assert back.expected == "ready, power on, room for 300 streams"
        assert back.actual == f"ready, power on, room for {sum(after.values()):.0f} streams"


def test_capacity_that_is_scraped_a_little_later_is_waited_for(monkeypatch) -> None:
    """One of two gateways has no series yet: the read-back gives it a moment."""
    monkeypatch.setattr("muster.faults.back.START_S", 60.0)
    with a_world() as (world, fault):
        params = fault.undo_params()
        fault.apply()
        restored = from_log(fault, params)
        restored.revert()
        world.warm_up = 4
        assert restored.read_back().ok
        assert world.warm_up == 0


def test_the_room_is_read_though_the_samples_were_closed() -> None:
    """Whoever restores may have ended its watch already, and the metrics with it."""
    with a_world() as (_, fault):
        fault.undo_params()
        fault.platform.metrics.close()
        assert fault.room() == (300, 300)


def test_a_limit_that_cannot_be_read_is_said_and_the_power_port_decides() -> None:
    """Prometheus is away: every process is there, and that the room is unknown is told."""
    with a_world() as (world, fault):
        params = fault.undo_params()
        access = fault.target.prometheus.model_copy(
            update={"url": f"http://127.0.0.1:{free_port()}"}
        )
        blind = fault.target.model_copy(update={"prometheus": access})
        restored = from_log(RegionPower(platform_of(blind), REGION), params)
        back = restored.read_back()
        assert back.ok
        assert "room for streams not read" in back.actual
        world.power = "partial"
        assert not restored.read_back().ok
    with a_world() as (world, fault):
        params = fault.undo_params()
        world.limits = {}
        back = from_log(fault, params).read_back()
        assert f"returns no current series of {REGION}" in back.actual


def test_a_flapping_region_is_not_read_back_as_ready() -> None:
    """Ready at every other look: whichever look comes last, it is not back, and in bounded time."""
    with a_world(steady_s=0.2) as (world, fault):
        params = fault.undo_params()
        world.flaps = True
        restored = from_log(fault, params)
        restored.revert()
        back = restored.read_back()
        assert not back.ok
        assert "ready" in back.actual


def test_an_older_undo_log_asks_for_what_it_knows() -> None:
    """Without the stretch and the limit of before, ready and power on are what is read back."""
    with a_world() as (_, fault):
        back = from_log(fault, {}).read_back()
        assert (back.ok, back.expected) == (True, "ready, power on")


def test_a_limit_that_nobody_shows_before_is_none_afterwards() -> None:
    """What was unknown before cannot be asked for; it is none, never zero."""
    with a_world() as (world, fault):
        world.limits = {}
        assert fault.undo_params()["streams_limit"] is None
    assert capacity.is_back(0.0, 0.0)
    assert not capacity.is_back(74.0, 75.0)


def test_a_start_that_fails_at_first_is_tried_again(tmp_path, monkeypatch) -> None:
    """The switch is still busy with the stop of a killed drill: the restore outlasts that."""
    monkeypatch.setattr("muster.drill.undo.restore.RETRY_S_MIN", 0.01)
    with a_world() as (world, fault):
        undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "t.yaml"))
        undo.add(fault.kind, fault.subject, fault.undo_params(), REGION)
        fault.apply()
        refused = iter([500, 500, 409])
        answer = world.switch

        def busy(call):
            if call.method == "POST" and (status := next(refused, None)) is not None:
                return status, {"error": "not ready after 45 s"}
            return answer(call)

        with stand_in(busy) as switch:
            power = fault.target.regions[REGION].power.model_copy(
                update={"url": f"{switch.url}/r", "timeout_s": 30.0}
            )
            region = fault.target.regions[REGION].model_copy(update={"power": power})
            target = fault.target.model_copy(
                update={"regions": {**fault.target.regions, REGION: region}}
            )
            tries = []
            restored = restore(platform_of(target), undo, trying=lambda: tries.append(1))
        assert restored.verified
        assert len(tries) == 4
        assert undo.pending == ()
        assert [item.ok for item in restored.readback] == [True]


def test_a_start_that_never_works_ends_in_bounded_time(tmp_path, monkeypatch) -> None:
    """Tried until the target's own time-out, then told with what to do."""
    monkeypatch.setattr("muster.drill.undo.restore.RETRY_S_MIN", 0.01)
    with a_world() as (_, fault), stand_in(lambda call: (500, {"error": "broken"})) as switch:
        undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "t.yaml"))
        undo.add(fault.kind, fault.subject, fault.undo_params(), REGION)
        power = fault.target.regions[REGION].power.model_copy(
            update={"url": f"{switch.url}/r", "timeout_s": 0.2}
        )
        region = fault.target.regions[REGION].model_copy(update={"power": power})
        regions = {**fault.target.regions, REGION: region}
        platform = platform_of(fault.target.model_copy(update={"regions": regions}))
        restored = restore(platform, undo)
        assert not restored.verified
        assert restored.failed == (f"region {REGION}",)
        assert len(switch.paths("POST")) > 1
        assert [entry.state for entry in undo.pending] == ["failed"]


@pytest.mark.parametrize(
    ("url", "met"),
    [
        ("http://nowhere.invalid/", "blind"),
        ("http://127.0.0.1:{free}/", "refused"),
        ("ftp://127.0.0.1/", "blind"),
    ],
)
def test_a_look_tells_apart_why_there_is_no_answer(url: str, met: str) -> None:
    """Nobody listens, and a look that could not look, are two things."""
    look = look_at(url.replace("{free}", str(free_port())))
    assert (look.met, look.status, look.listens, look.ready) == (met, None, False, False)
