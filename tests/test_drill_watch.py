"""The watch: keeps every sample, asks the guard, and is never silently blind."""

from __future__ import annotations

import threading

import pytest
from floor_fixtures import await_true, free_port, prometheus_server, stand_in, stopped
from held_clock import HeldClock

from muster.drill.sight.facts import Facts
from muster.drill.sight.watch import STEERING_SIGNAL, Watch
from muster.drill.stop import StopFlag, StopReason
from muster.jsonl import LogLost
from muster.platform.metrics import MetricsError, Poller, RawSeries
from muster.platform.metrics.prometheus import Prometheus
from muster.platform.steering import SteeringError

SIGNALS = {"jobs": "jobs_total", "streams": "streams_open"}


class Metrics:
    """What the scraped stand-in shows."""

    def __init__(self):
        self.lines = {'jobs_total{region="a"}': 1, 'streams_open{region="a"}': 7}

    def answer(self, call):
        return 200, "".join(f"{name} {value}\n" for name, value in list(self.lines.items()))


class Kept:
    """A sink that keeps what it got; `error` is raised instead."""

    def __init__(self):
        self.series = []
        self.error = None

    def add(self, fresh):
        if self.error:
            raise self.error
        self.series.extend(fresh)

    def values(self, signal):
        return [value for one in self.series if one.signal == signal for value in one.v]


class GuardOf:
    """A guard that does what it is told."""

    def __init__(self, look):
        self.look = look


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A real Prometheus and the values that it scrapes."""
    metrics = Metrics()
    with stand_in(metrics.answer) as shown:
        with prometheus_server(tmp_path_factory.mktemp("prometheus"), shown.port) as server:
            client = Prometheus(server.url, 2)
            await_true(lambda: client.raw("x", "streams_open", 5), "a first scrape")
            yield metrics, server


@pytest.fixture
def watching(rig):
    """Makes watches on the rig, and ends them."""
    metrics, server = rig
    before = dict(metrics.lines)
    made = []

    def make(*, url=None, poll_s=0.1, missing_s_max=30.0, weights=dict):
        facts, sink, stop = Facts(5), Kept(), StopFlag()
        poller = Poller(Prometheus(url or server.url, 0.5), SIGNALS, reach_s=5)
        watch = Watch(
            poller, weights, facts, sink, stop,
            poll_s=poll_s, missing_s_max=missing_s_max, required=("jobs", "streams"),
        )  # fmt: skip
        made.append(watch)
        return watch, facts, sink, stop

    yield make
    metrics.lines = before
    for watch in made:
        watch.close(last_look=False)


class Scene:
    """A watch on a held clock, and what Prometheus shows it at each of its looks, 2 s apart."""

    def __init__(self, weights=dict):
        self.clock = HeldClock()
        self.lines = {"jobs": 1.0, "streams": 7.0}
        self.error = None
        self.facts, self.sink, self.stop = Facts(5), Kept(), StopFlag(self.clock)
        poller = Poller(self, SIGNALS, reach_s=5, clock=self.clock)
        self.watch = Watch(
            poller, weights, self.facts, self.sink, self.stop,
            poll_s=2.0, missing_s_max=30.0, required=("jobs", "streams"), clock=self.clock,
        )  # fmt: skip

    def raw(self, signal, selector, window_s, at_s=None):
        if self.error:
            raise self.error
        if signal not in self.lines:
            return []
        value = self.lines[signal]
        return [RawSeries(signal, selector, {"region": "a"}, (self.clock.now_s(),), (value,))]

    def stopped_after_s(self, seconds):
        """Seconds until the drill is stopped, looked at for `seconds`; None: it is not stopped."""
        began_s = self.clock.passed_s
        while self.clock.passed_s - began_s <= seconds:
            self.watch.look()
            if self.stop.is_set:
                return self.clock.passed_s - began_s
            self.clock.advance(2.0)
        return None


def test_samples_reach_sink_facts_and_guard(watching):
    """What was scraped is kept, known, and judged, together with the records' weights."""
    watch, facts, sink, stop = watching(weights=lambda: {"a": 60, "b": 40})
    judged = []
    watch.guard = GuardOf(lambda fresh, now_s: judged.extend(fresh))
    watch.start()
    await_true(lambda: facts.total("streams") == 7, "a sample")
    await_true(lambda: judged, "the guard's turn")
    assert watch.alive
    watch.close()
    assert not watch.alive
    assert 7.0 in sink.values("streams")
    assert len(judged) <= len(sink.series)
    assert facts.by_region(STEERING_SIGNAL) == {"a": 60, "b": 40}
    assert not stop.is_set


def test_the_guards_reason_stops_the_drill():
    """Its own reason and verdict, once."""
    scene = Scene()
    reason = StopReason("limit:queue_age", "FAIL", "31 s", 1.0)
    scene.watch.guard = GuardOf(lambda fresh, now_s: reason)
    assert scene.stopped_after_s(0) == 0
    assert scene.stop.reason is reason


def test_a_guard_that_raises_stops_the_drill():
    """A drill without its guard must not go on."""
    scene = Scene()

    def blow_up(fresh, now_s):
        raise ZeroDivisionError("no samples")

    scene.watch.guard = GuardOf(blow_up)
    assert scene.stopped_after_s(0) == 0
    assert (scene.stop.reason.by, scene.stop.reason.verdict) == ("action:watch", "ABORTED")
    assert scene.stop.reason.detail == "ZeroDivisionError: no samples"
    scene.clock.advance(2.0)
    scene.watch.look()
    assert len(scene.sink.values("jobs")) == 2, "it keeps samples while everything is put back"


def test_samples_that_cannot_be_kept_stop_the_drill():
    """A full disk makes evidence impossible."""
    scene = Scene()
    scene.sink.error = LogLost("samples.jsonl: No space left on device")
    assert scene.stopped_after_s(0) == 0
    assert scene.stop.reason.verdict == "ABORTED"
    assert "No space left" in scene.stop.reason.detail


def test_a_hanging_prometheus_is_data_lost(rig, watching):
    """Stopped in mid-drill and silent beyond the limit: ABORTED for lost data, and not before."""
    watch, facts, _, stop = watching(missing_s_max=1.0)
    watch.start()
    await_true(lambda: facts.total("streams") is not None, "a sample")
    assert not stop.is_set
    with stopped(rig[1].child):
        await_true(lambda: stop.is_set, "a stop")
    assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")
    assert "Prometheus has not answered for" in stop.reason.detail


def test_a_prometheus_that_is_gone_is_data_lost():
    """It refuses at once; the limit still has to pass, counted from its last answer."""
    scene = Scene()
    assert scene.stopped_after_s(10) is None
    scene.error = MetricsError("connection refused")
    assert scene.stopped_after_s(60) == 30
    assert (scene.stop.reason.by, scene.stop.reason.verdict) == ("data_lost", "ABORTED")
    assert scene.stop.reason.detail == "Prometheus has not answered for 32 s"


def test_a_prometheus_that_comes_back_in_time_is_not_lost():
    """One answer begins the count anew."""
    scene = Scene()
    for _ in range(3):
        scene.error = MetricsError("connection refused")
        assert scene.stopped_after_s(26) is None
        scene.error = None
        assert scene.stopped_after_s(0) is None


def test_a_signal_that_vanishes_is_data_lost_while_it_is_required():
    """Only between the load's start and end; the signal is named."""
    scene = Scene()
    scene.watch.require_load()
    assert scene.stopped_after_s(10) is None
    del scene.lines["streams"]
    assert scene.stopped_after_s(60) == 30
    assert (scene.stop.reason.by, scene.stop.reason.verdict) == ("data_lost", "ABORTED")
    assert scene.stop.reason.detail == "no sample of streams for 32 s"


def test_a_signal_may_stay_away_while_no_load_runs():
    """Before the load begins, and after it was released, its signals are not missed."""
    scene = Scene()
    del scene.lines["streams"]
    assert scene.stopped_after_s(300) is None
    scene.watch.require_load()
    scene.watch.release_load()
    assert scene.stopped_after_s(300) is None


def test_a_signal_that_never_comes_is_data_lost_too():
    """From the moment it is required on, not from the first look."""
    scene = Scene()
    del scene.lines["streams"]
    assert scene.stopped_after_s(100) is None
    scene.watch.require_load()
    assert scene.stopped_after_s(60) == 32
    assert scene.stop.reason.detail == "no sample of streams for 32 s"


def test_the_last_look_keeps_the_final_scrape(rig, watching):
    """What was scraped after the last poll is in the samples all the same."""
    metrics, server = rig
    watch, _, sink, _ = watching(poll_s=3600)
    watch.start()
    await_true(lambda: sink.values("jobs"), "the first look")
    metrics.lines['jobs_total{region="a"}'] = 42
    client = Prometheus(server.url, 2)
    await_true(lambda: client.instant("jobs_total == 42"), "the final scrape")
    assert 42.0 not in sink.values("jobs")
    watch.close()
    assert 42.0 in sink.values("jobs")


def test_a_last_look_that_finds_nothing_stops_nothing(watching):
    """A Prometheus that is gone when the drill is over is no reason to abort it."""
    watch, _, _, stop = watching(url=f"http://127.0.0.1:{free_port()}", missing_s_max=0.01)
    watch.close()
    assert not stop.is_set


def test_steering_that_does_not_answer_blinds_nobody():
    """The samples go on; the weights are unknown, not zero."""

    def refuse():
        raise SteeringError("Route 53: Throttling")

    scene = Scene(weights=refuse)
    assert scene.stopped_after_s(100) is None
    assert scene.facts.total("streams") == 7
    assert scene.facts.total(STEERING_SIGNAL) is None


def test_a_poll_begins_a_poll_after_the_last_one_began():
    """By the clock: what a look took is taken off the pause, down to a bound."""
    scene = Scene()
    began, took_s = [], [0.5, 1.5, 5.0, 0.0]

    def look(fresh, now_s):
        began.append(scene.clock.passed_s)
        scene.clock.advance(took_s[len(began) - 1])
        if len(began) == len(took_s):
            scene.watch.close(last_look=False)

    scene.watch.guard = GuardOf(look)
    scene.watch.run()
    assert began == pytest.approx([0.0, 2.0, 4.0, 9.05])
    assert scene.watch.looks == len(took_s)


def test_a_watch_that_hangs_is_not_alive(watching):
    """A look that never comes back shows, so that the drill can stop itself."""
    gate = threading.Event()

    def hang():
        gate.wait(30)
        return {}

    watch, _, _, _ = watching(weights=hang, missing_s_max=0.2, poll_s=0.05)
    watch.start()
    try:
        await_true(lambda: not watch.alive, "that it hangs")
    finally:
        gate.set()
    await_true(lambda: watch.alive, "that it looks again")
