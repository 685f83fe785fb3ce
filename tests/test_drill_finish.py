"""The end of a drill, step by step: streams end by themselves, and the guard's duty ends once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from muster.drill import finish
from muster.drill.session import Session
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag, StopReason
from muster.drill.watchdog.orphan_load import HeldLoad
from muster.errors import DrillAborted

STOP = StopReason("operator", "ABORTED", "asked", 0.0)


class Clock:
    """A clock that moves only when somebody waits."""

    def __init__(self):
        self.at_s = 0.0

    def now_s(self):
        return self.at_s

    def monotonic_s(self):
        return self.at_s

    def sleep(self, seconds):
        self.at_s += seconds


class Made:
    """A session of parts that only remember what was asked of them, in order."""

    def __init__(
        self, open_streams=lambda at_s: 0.0, alive=True, started=True, heard=True, lost=""
    ):
        self.said = []
        self.clock = Clock()
        self.stop = StopFlag()
        self.events = []
        say = self.said.append
        load = SimpleNamespace(
            started=started,
            alive=lambda: alive,
            stop_arrivals=lambda: say("stop_arrivals"),
            stop=lambda: say("load.stop"),
            lost=lambda: lost,
        )

        def release():
            say("release")
            return heard

        watchdog = SimpleNamespace(
            act=lambda: say("act"),
            load_ended=lambda: say("load_ended"),
            release=release,
            lost=None if heard else "silent",
        )
        watch = SimpleNamespace(release_load=lambda: say("unwatch"), close=lambda: say("close"))
        prometheus = SimpleNamespace(scrape_interval_s=1.0)
        self.session = SimpleNamespace(
            concluded=False,
            released=False,
            stop_recorded=False,
            guards=(SimpleNamespace(disarm=lambda: say("disarm")),),
            watch=watch,
            watchdog=watchdog,
            load=load,
            clock=self.clock,
            stop=self.stop,
            facts=SimpleNamespace(
                total_since=lambda signal, since_s: open_streams(self.clock.at_s)
            ),
            samples=SamplesClock(clock=self.clock),
            poll_s=2.0,
            target=SimpleNamespace(stream_seconds_max=31.0, prometheus=prometheus, load=None),
            undo=SimpleNamespace(pending=()),
            ledger=None,
            record=lambda event, **fields: self.events.append((event, fields)),
            bundle=Path("/nowhere"),
        )

    def states(self):
        return [fields["state"] for event, fields in self.events if event == "watchdog"]


def test_the_load_ends_when_its_streams_have_ended():
    """Arrivals stop first, then nobody is cut: the load is stopped once none is open."""
    made = Made(lambda at_s: 0.0 if at_s >= 7 else 1000.0)
    finish.end_measuring(made.session)
    assert made.said == ["disarm", "unwatch", "stop_arrivals", "close", "load_ended", "load.stop"]
    assert 7.0 <= made.clock.at_s < 9.0


@pytest.mark.parametrize("streams", [1000.0, None])
def test_streams_that_do_not_end_hold_nothing_up_for_longer_than_a_stream(streams):
    """The bound is the target's longest stream, also where nobody knows how many are open."""
    made = Made(lambda at_s: streams)
    finish.end_measuring(made.session)
    assert 31.0 <= made.clock.at_s < 33.0
    assert made.said[-1] == "load.stop"


def test_a_load_that_died_is_not_waited_for():
    """Its streams are gone with it."""
    made = Made(lambda at_s: 1000.0, alive=False)
    finish.end_measuring(made.session)
    assert made.clock.at_s < 2.0


def test_the_load_ends_gently_after_an_abort_too():
    """The stop flag is set by then, and cuts no wait short."""
    made = Made(lambda at_s: 0.0 if at_s >= 7 else 1000.0)
    made.stop.set(STOP)
    finish.end_measuring(made.session)
    assert made.clock.at_s >= 7.0


def test_a_part_that_is_lost_at_the_very_end_is_no_pass():
    """After the last look of the method: what it should have measured is not known."""
    made = Made(lost="part 2 of 2: its pod is gone")
    finish.end_measuring(made.session)
    assert made.stop.reason is not None
    assert (made.stop.reason.by, made.stop.reason.verdict) == ("load_died", "INCONCLUSIVE")
    assert made.stop.reason.detail == "part 2 of 2: its pod is gone"


def test_measuring_ends_once():
    """Asked again, it changes nothing; without a load there is nothing to wait for."""
    made = Made(started=False)
    finish.end_measuring(made.session)
    finish.end_measuring(made.session)
    assert made.said == ["disarm", "unwatch", "close"]
    assert made.clock.at_s == 0.0


@pytest.fixture
def back(monkeypatch):
    """Whether everything was read back, as a list of one answer."""
    answer = [True]
    monkeypatch.setattr(finish, "_verified", lambda session: answer[0])
    return answer


@pytest.fixture
def judged(monkeypatch):
    """How often the evidence was judged."""
    found = []

    def judge(bundle, ended=True):
        found.append(ended)
        return SimpleNamespace(verdict="PASS")

    monkeypatch.setattr(finish, "judge", judge)
    return found


def test_the_duty_ends_before_anything_is_judged(back, judged):
    """Everything back, the load out, released and on record; then it is judged."""
    made = Made()
    assert finish.passed_so_far(made.session)
    assert made.said.index("load.stop") < made.said.index("release")
    assert made.states() == ["released"]
    assert judged == [False]


def test_what_is_not_back_stays_guarded_and_passes_nothing(back, judged):
    """Nothing needs to be judged to know that."""
    back[0] = False
    made = Made()
    assert not finish.passed_so_far(made.session)
    assert "release" not in made.said
    assert judged == []
    made = Made()
    back[0] = True
    made.session.undo.pending = ("an entry",)
    assert not finish.passed_so_far(made.session)
    assert "release" not in made.said


def test_a_drill_that_was_stopped_passes_nothing(back, judged):
    """Its reason is on record."""
    made = Made()
    made.stop.set(STOP)
    assert not finish.passed_so_far(made.session)
    assert [event for event, _ in made.events if event == "stopped"] == ["stopped"]
    assert judged == []


def test_a_stop_after_the_duty_is_not_on_record(back, judged):
    """A signal while the report is drawn changes nothing of the evidence."""
    made = Made()
    assert finish.end_duty(made.session)
    made.stop.set(STOP)
    assert finish.end_duty(made.session)
    assert made.states() == ["released"]
    assert not [event for event, _ in made.events if event == "stopped"]


def test_a_stop_before_the_duty_ended_is_on_record(back, judged):
    """An abort while the streams were ending is still heard."""
    made = Made()
    finish.end_measuring(made.session)
    made.stop.set(STOP)
    finish.end_duty(made.session)
    assert [event for event, _ in made.events] == ["load_ended", "stopped", "watchdog"]


def test_a_watchdog_that_does_not_answer_is_lost(back, judged):
    """And the drill passes nothing."""
    made = Made(heard=False)
    assert not finish.passed_so_far(made.session)
    assert made.states() == ["lost"]
    assert judged == []


def test_nothing_is_changed_after_the_guards_duty():
    """No effect may come unguarded."""
    session = SimpleNamespace(released=True, phase="x")
    with pytest.raises(DrillAborted, match="duty has ended"):
        Session.write_undo(session, None)


def test_a_watch_stops_nothing_once_the_load_ends():
    """Prometheus may go away while the last streams end: nobody judges that."""
    for ends in (False, True):
        stop = StopFlag()
        watch = Watch(
            None, dict, None, None, stop, poll_s=1.0, missing_s_max=0.0, required=("requests",)
        )
        if ends:
            watch.release_load()
        watch._answered_s -= 60
        watch._judge_silence()
        assert stop.is_set is not ends


SHARD = """
import json, sys
for line in sys.stdin:
    order = json.loads(line)
    print("end" if order.get("end") else "stop_arrivals", flush=True)
    if order.get("end"):
        break
"""


@pytest.mark.parametrize(("streams", "seconds_max"), [([900.0, 3.0, 0.0], 60), ([9.0], 0.0)])
def test_a_watchdog_lets_streams_end_before_it_ends_the_load(streams, seconds_max):
    """No arrivals first; then the end, once none is open or the bound has passed."""
    child = subprocess.Popen(
        [sys.executable, "-c", SHARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    left = list(streams)
    load = HeldLoad([child.pid], [os.dup(child.stdin.fileno())])
    child.stdin.close()
    load.end_gently(lambda: left.pop(0) if len(left) > 1 else left[0], seconds_max)
    said = child.stdout.read().split()
    child.stdout.close()
    assert child.wait(30) in (0, -9)
    assert said[:1] == ["stop_arrivals"] or child.returncode == -9
    if seconds_max:
        assert left == [0.0]
