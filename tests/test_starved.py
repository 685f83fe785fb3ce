"""Lost samples: the rig's own shortage of time is told from a platform that shows nothing."""

from __future__ import annotations

import pytest
from test_evaluate import CONTRACT

from muster.drill.sight.facts import Facts
from muster.drill.sight.starved import BEAT_S, STARVED, Starved
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag, StopReason
from muster.platform.metrics import RawSeries
from muster.platform.metrics.prometheus import PrometheusError
from muster.reports.sentences import stopper

SPAN_S = 15.0
LOST = StopReason("data_lost", "ABORTED", "no sample of requests for 16 s", 1016.0)


class HeldClock:
    """Time that moves when the test says so; waits move it too."""

    def __init__(self):
        self.s = 1000.0

    def now_s(self):
        return self.s

    def monotonic_s(self):
        return self.s

    def boot_s(self):
        return self.s

    def sleep(self, seconds):
        self.s += seconds

    def wait(self, event, seconds):
        self.s += seconds
        return event.is_set()


class Run:
    """A rig whose beats and figures the test writes."""

    def __init__(self):
        self.clock = HeldClock()
        self.facts = Facts(5.0)
        self.starved = Starved(self.facts, CONTRACT.load_validity, SPAN_S, self.clock)

    def beats(self, *late_s):
        for late in late_s:
            self.clock.s += BEAT_S + late
            self.starved.beat(BEAT_S, BEAT_S + late)
        return self

    def load(self, late=0.0, offered=1.0, seconds=20):
        """So many scrapes a second apart: 10 arrivals a second, a share of them late, or left."""
        for second in range(seconds):
            t_s, due = 990.0 + second, 10.0 * second
            self.show("client_scheduled", t_s, due)
            self.show("client_offered", t_s, due * offered)
            self.show("client_late", t_s, due * late)
        return self

    def show(self, signal, t_s, value):
        self.facts.add([RawSeries(signal, signal, {"instance": "a"}, (t_s,), (value,))])


FIT = [0.001] * 70


@pytest.mark.parametrize(
    ("late_s", "why"),
    [
        (FIT, ""),
        ([*FIT, 0.15], ""),  # one late wake is no shortage
        ([*FIT, 0.15, 0.3], "the drill itself woke up late 2 times, by up to 0.3 s"),
        ([*FIT, 20.0], "the drill itself woke up late 1 times, by up to 20.0 s"),
        ([0.3, 0.3, *[0.0] * 80], ""),  # longer ago than what is looked back at
        ([-0.1] * 70, ""),
        ([], ""),
    ],
)
def test_a_rig_that_woke_late_again_and_again_was_short_of_time(late_s, why):
    """By the contract's own limit for the load's loop, in the time that samples were missing."""
    assert Run().beats(*late_s).starved.why() == why


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({}, ""),
        ({"late": 0.4}, "of arrivals started late"),
        ({"offered": 0.5}, "of the scheduled arrivals were offered"),
    ],
)
def test_a_load_that_broke_its_limits_was_short_of_time(figures, says):
    """By the figures that it showed while the platform's stayed away."""
    why = Run().beats(*FIT).load(**figures).starved.why(["requests"])
    assert (says in why) if says else why == ""


def test_a_load_that_is_not_seen_either_says_nothing_of_the_platform():
    """Whatever it is that does not scrape, the rig measured nothing."""
    run = Run().beats(*FIT).load()
    assert run.starved.why(["requests"]) == ""
    for missing in (["client_answers"], ["requests", "client_answers"]):
        assert run.starved.why(missing) == "the load's own samples stayed away too"


def test_the_blame_changes_lost_data_alone():
    """Inconclusive and by its own name; a trigger and a hang stay what they are."""
    run = Run()
    assert run.starved.blamed(LOST) is LOST
    run.beats(20.0)
    found = run.starved.blamed(LOST)
    assert (found.by, found.verdict, found.t_trip_s) == (STARVED, "INCONCLUSIVE", LOST.t_trip_s)
    assert found.detail == (
        "no sample of requests for 16 s; the rig: the drill itself woke up late 1 times, "
        "by up to 20.0 s"
    )
    for by, verdict in (("limit:rate_5xx", "FAIL"), ("steering:changed_by_another", "ABORTED")):
        other = StopReason(by, verdict, "", 1.0)
        assert run.starved.blamed(other) is other
    assert "overloaded" in stopper(STARVED)


class Shown:
    """A poller that brings what the test says, or raises it."""

    def __init__(self, clock):
        self.clock = clock
        self.signals = ("requests", "client_answers")
        self.error = None

    def poll(self):
        if self.error is not None:
            raise self.error
        return [
            RawSeries(name, name, {"region": "a"}, (self.clock.s,), (1.0,)) for name in self.signals
        ]


class Sink:
    def add(self, fresh):
        pass


def watched(run, missing_s_max=SPAN_S):
    """A watch that is stepped by hand, its samples and its stop flag."""
    shown, stop = Shown(run.clock), StopFlag()
    watch = Watch(
        shown, dict, run.facts, Sink(), stop,
        poll_s=1.0, missing_s_max=missing_s_max, required=("requests", "client_answers"),
        starved=run.starved, clock=run.clock,
    )  # fmt: skip
    watch.require_load()
    return watch, shown, stop


def silent(run, watch, stop, seconds=40):
    """Looks a second apart until one stops the drill."""
    for _ in range(seconds):
        if stop.is_set:
            return stop.reason
        run.clock.s += 1.0
        watch.look()
    raise AssertionError("nothing stopped the drill")


def test_a_platform_that_stops_showing_samples_is_lost_data():
    """The load is seen, the rig is fit: the samples of the platform alone stay away."""
    run = Run().beats(*FIT)
    watch, shown, stop = watched(run)
    watch.look()
    shown.signals = ("client_answers",)
    reason = silent(run, watch, stop)
    assert (reason.by, reason.verdict) == ("data_lost", "ABORTED")
    assert reason.detail == "no sample of requests for 16 s"


@pytest.mark.parametrize(
    ("left", "late_s"),
    [
        (("client_answers",), [0.5] * 5),
        (("client_answers",), [20.0]),
        (("requests",), FIT),
        ((), FIT),
    ],
)
def test_a_rig_that_starves_loses_no_data_of_the_platforms(left, late_s):
    """Late itself, or blind for its own load too: the drill is inconclusive and restores."""
    run = Run()
    watch, shown, stop = watched(run)
    watch.look()
    shown.signals = left
    for _ in range(14):
        run.clock.s += 1.0
        watch.look()
    assert not stop.is_set
    for late in late_s:
        run.starved.beat(BEAT_S, BEAT_S + late)
    reason = silent(run, watch, stop)
    assert (reason.by, reason.verdict) == (STARVED, "INCONCLUSIVE")
    assert reason.detail.startswith("no sample of ")


@pytest.mark.parametrize(
    ("timed_out", "by"), [(True, STARVED), (False, "data_lost")], ids=["late", "refused"]
)
def test_a_prometheus_that_refuses_is_no_matter_of_time(timed_out, by):
    """It would refuse an idle machine too; one that is late need not be."""
    run = Run().beats(20.0)
    watch, shown, stop = watched(run, missing_s_max=0.0)
    shown.error = PrometheusError("http://p: timed out", timed_out=timed_out)
    run.clock.s += 1.0
    watch.look()
    assert stop.reason is not None
    assert stop.reason.by == by
    assert stop.reason.detail.startswith("Prometheus has not answered for ")


@pytest.mark.parametrize(("timed_out", "by"), [(True, STARVED), (False, "data_lost")])
def test_samples_that_a_refusing_prometheus_keeps_are_lost(timed_out, by):
    """The samples are older than its last answer: their silence is noticed first."""
    run = Run().beats(*FIT)
    watch, shown, stop = watched(run)
    watch.look()
    for _ in range(14):
        run.clock.s += 1.0
    shown.signals = ()
    watch.look()
    shown.error = PrometheusError("http://p: refused", timed_out=timed_out)
    reason = silent(run, watch, stop)
    assert reason.detail.startswith("no sample of requests for ")
    assert reason.by == by


def test_the_guards_lost_windows_are_blamed_alike():
    """Windows without data, one after the other, on a rig that starves."""
    for late_s, by in ((FIT, "data_lost"), ([20.0], STARVED)):
        run = Run().beats(*late_s)
        watch, _, stop = watched(run)

        class Guard:
            def look(self, fresh, now_s):
                return LOST

        watch.guard = Guard()
        watch.look()
        assert stop.reason.by == by


def test_a_watch_that_is_told_of_no_shortage_blames_nobody():
    """What it was not told it does not know."""
    run = Run()
    watch = Watch(
        Shown(run.clock), dict, run.facts, Sink(), StopFlag(),
        poll_s=1.0, missing_s_max=1.0, required=(),
    )  # fmt: skip
    assert watch.blamed(LOST, ["client_answers"]) is LOST
