"""The watch: keeps every sample, asks the guard, and is never silently blind."""

from __future__ import annotations

import threading
import time

import pytest
from floor_fixtures import await_true, free_port, prometheus_server, stand_in, stopped

from muster.clock import SYSTEM_CLOCK
from muster.drill.sight.facts import Facts
from muster.drill.sight.watch import STEERING_SIGNAL, Watch
from muster.drill.stop import StopFlag, StopReason
from muster.jsonl import LogLost
from muster.platform.metrics import Poller
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

    def make(*, url=None, poll_s=0.1, missing_s_max=30.0, weights=dict, clock=SYSTEM_CLOCK):
        facts, sink, stop = Facts(5), Kept(), StopFlag()
        poller = Poller(Prometheus(url or server.url, 0.5), SIGNALS, reach_s=5)
        watch = Watch(
            poller, weights, facts, sink, stop,
            poll_s=poll_s, missing_s_max=missing_s_max, required=("jobs", "streams"), clock=clock,
        )  # fmt: skip
        made.append(watch)
        return watch, facts, sink, stop

    yield make
    metrics.lines = before
    for watch in made:
        watch.close(last_look=False)


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


def test_the_guards_reason_stops_the_drill(watching):
    """Its own reason and verdict, once."""
    watch, _, _, stop = watching()
    reason = StopReason("limit:queue_age", "FAIL", "31 s", 1.0)
    watch.guard = GuardOf(lambda fresh, now_s: reason)
    watch.start()
    await_true(lambda: stop.is_set, "a stop")
    assert stop.reason is reason


def test_a_guard_that_raises_stops_the_drill(watching):
    """A drill without its guard must not go on."""
    watch, _, _, stop = watching()

    def blow_up(fresh, now_s):
        raise ZeroDivisionError("no samples")

    watch.guard = GuardOf(blow_up)
    watch.start()
    await_true(lambda: stop.is_set, "a stop")
    assert (stop.reason.by, stop.reason.verdict) == ("action:watch", "ABORTED")
    assert stop.reason.detail == "ZeroDivisionError: no samples"
    assert watch.alive, "it goes on keeping samples while everything is put back"


def test_samples_that_cannot_be_kept_stop_the_drill(watching):
    """A full disk makes evidence impossible."""
    watch, _, sink, stop = watching()
    sink.error = LogLost("samples.jsonl: No space left on device")
    watch.start()
    await_true(lambda: stop.is_set, "a stop")
    assert stop.reason.verdict == "ABORTED"
    assert "No space left" in stop.reason.detail


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


def test_a_prometheus_that_is_gone_is_data_lost(watching, tmp_path):
    """A killed process refuses at once; the limit still has to pass."""
    with prometheus_server(tmp_path, free_port()) as server:
        watch, _, _, stop = watching(url=server.url, missing_s_max=1.0)
        watch.start()
        time.sleep(0.3)
        assert not stop.is_set
        server.child.kill()
        server.child.wait()
        killed_s = time.monotonic()
        await_true(lambda: stop.is_set, "a stop")
        assert time.monotonic() - killed_s > 0.5
    assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")


def test_a_signal_that_vanishes_is_data_lost_while_it_is_required(rig, watching):
    """Only between the load's start and end; the signal is named."""
    watch, facts, _, stop = watching(missing_s_max=1.5)
    watch.start()
    watch.require_load()
    await_true(lambda: facts.newest_s("streams") is not None, "a sample")
    del rig[0].lines['streams_open{region="a"}']
    await_true(lambda: stop.is_set, "a stop")
    assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")
    assert stop.reason.detail.startswith("no sample of streams for ")


def test_a_signal_may_stay_away_while_no_load_runs(rig, watching):
    """Before the load begins, and after it was released, its signals are not missed."""
    watch, facts, _, stop = watching(missing_s_max=0.5)
    lines = rig[0].lines
    rig[0].lines = {name: value for name, value in lines.items() if "streams" not in name}
    watch.start()
    watch.require_load()
    watch.release_load()
    since_s = time.time()
    await_true(lambda: (facts.newest_s("jobs") or 0) > since_s + 1, "later samples")
    assert not stop.is_set


def test_a_signal_that_never_comes_is_data_lost_too(rig, watching):
    """From the moment it is required on, not from the first sample."""
    watch, _, _, stop = watching(missing_s_max=1.0)
    rig[0].lines = {'jobs_total{region="a"}': 1}
    time.sleep(0.5)
    watch.require_load()
    watch.start()
    # Samples from before still stand in the look-back: only new ones count.
    await_true(lambda: stop.is_set, "a stop")
    assert stop.reason.detail.startswith("no sample of streams for ")


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


def test_steering_that_does_not_answer_blinds_nobody(watching):
    """The samples go on; the weights are unknown, not zero."""

    def refuse():
        raise SteeringError("Route 53: Throttling")

    watch, facts, _, stop = watching(weights=refuse)
    watch.start()
    await_true(lambda: facts.total("streams") == 7, "a sample")
    assert facts.total(STEERING_SIGNAL) is None
    assert not stop.is_set


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
