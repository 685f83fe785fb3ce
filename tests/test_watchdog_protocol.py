"""The protocol between drill and watchdog, as a table and as the two ends that follow it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import count
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchdog_pair import CONFIG, Pair

from muster.drill.lock.runs import RunFiles
from muster.drill.stop import HEADWAY_S_MAX, StopReason
from muster.drill.watchdog import messages as say
from muster.drill.watchdog.protocol import (
    DRILL,
    DUTY_OVER,
    TABLE,
    WATCHDOG,
    DrillState,
    Duty,
    End,
    Fact,
    ProtocolError,
    WatchdogState,
    duty_of,
)
from muster.drill.watchdog.silence import LEASE_S
from muster.drill.watchdog.watchdog_end import RELEASED_S

D, W, F = DrillState, WatchdogState, Fact
TO_WATCHDOG = set(get_args(say._FromDrill))
TO_DRILL = set(get_args(say._FromWatchdog))
STOP = StopReason("limit:queue_age", "FAIL", "100 s", 1.0)
SAID = {
    say.Hello: say.Hello(drill_id="d1", target="t1"),
    say.Declare: say.Declare(fault="f", region="r", expects=()),
    say.Reverted: say.Reverted(fault="f", region="r"),
    say.Steers: say.Steers(weights={}),
    say.Load: say.Load(pids=()),
    say.Failed: say.Failed(reason="no"),
    say.Stop: say.Stop(reason=STOP),
    say.Rehearsed: say.Rehearsed(looks=1, sees=True),
    say.Report: say.Report(turn_s_max=0.2),
    say.Configure: CONFIG,
}
KINDS = sorted(TO_WATCHDOG | TO_DRILL, key=lambda kind: kind.__name__)
EVENTS = [*KINDS, *Fact]


def value_of(event):
    """The event itself: a message of that kind, or the fact."""
    if isinstance(event, Fact):
        return event
    return SAID[event] if event in SAID else event()


@pytest.mark.parametrize("state", [*D, *W], ids=str)
def test_every_pair_of_state_and_event_is_in_the_table_or_refused(state):
    """What is refused changes nothing; what is not leads to a state of the same end."""
    for event in EVENTS:
        end = End(state)
        if event in TABLE[state]:
            assert end.step(value_of(event)) is TABLE[state][event]
            assert isinstance(end.state, type(state))
        else:
            with pytest.raises(ProtocolError, match=f"{state.name}: .* has no place here"):
                end.step(value_of(event))
            assert end.state is state


def test_every_state_has_its_row_and_is_reached():
    """From each end's first state; nothing stands in the table that cannot come about."""
    for rows, first in ((DRILL, D.NEW), (WATCHDOG, W.UNMET)):
        assert set(rows) == set(type(first))
        reached, todo = {first}, [first]
        while todo:
            for after in rows[todo.pop()].values():
                if after not in reached:
                    reached.add(after)
                    todo.append(after)
        assert reached == set(rows)


def test_whatever_an_end_can_say_the_table_knows():
    """Each kind of message has a place at its sender's end and at its receiver's."""
    for kind in (TO_WATCHDOG | TO_DRILL) - {say.Beat}:
        assert any(kind in row for row in DRILL.values()), kind
        assert any(kind in row for row in WATCHDOG.values()), kind
    for state, row in DRILL.items():
        assert say.Beat in row or state is D.NEW, "a drill that lives beats"


def test_a_watchdog_leaves_its_guard_only_to_take_over_or_when_it_is_stood_down():
    """Nothing else ends a guarding state."""
    guards = {W.GUARDING, W.ASKED, W.DRILL_ACTS, W.DRILL_OBEYS}
    for state in guards:
        left = {event: after for event, after in WATCHDOG[state].items() if after not in guards}
        assert left.pop(say.StandDown) is W.STOOD_DOWN
        assert left.pop(say.Release) is W.RELEASED
        assert set(left.values()) == {W.TAKING}
        assert duty_of(state) is Duty.RESTORE
    assert duty_of(W.RELEASED) is Duty.CLEAN_UP
    assert duty_of(W.MET) is Duty.END_UNBEGUN


# --- every interleaving of both ends, by the table alone ---------------------------------------

ANSWERS = {say.Release: say.Released, say.Rehearse: say.Rehearsed, say.StandDown: say.Report}
ALIKE = {say.Disarm, say.Declare, say.Reverted, say.Steers, say.Steered, say.Load}
SPOKEN = TO_WATCHDOG - {say.Beat} - ALIKE
"""News that the table treats as it does another (`Arm`, `LoadEnded`) need not be told apart."""
WIRE_MAX = 2


DEAF = {D.LOST, D.UNRELEASED, D.TAKING, D.KILLING, D.ALONE, D.PARTED}
"""A drill that has lost its watchdog hears nothing more of it."""


@dataclass(frozen=True)
class World:
    """Both ends, what is on the wire, who lives, and who has the take-over right."""

    drill: DrillState = D.NEW
    watchdog: WatchdogState = W.UNMET
    to_watchdog: tuple = ()
    to_drill: tuple = ()
    drill_lives: bool = True
    watchdog_lives: bool = True
    right: str = ""
    owed: Duty | None = None
    released: bool = False

    def by_drill(self, event, **more):
        return replace(self, drill=TABLE[self.drill][event], **more)

    def by_watchdog(self, event, **more):
        after = TABLE[self.watchdog][event]
        if after is W.TAKING:
            more["owed"] = duty_of(self.watchdog)
        if after is W.OVER:
            more |= {"watchdog_lives": False, "right": self.right.replace("watchdog", "")}
        return replace(self, watchdog=after, **more)


def drill_moves(w):
    if not w.drill_lives:
        return
    row = TABLE[w.drill]
    for kind in SPOKEN & row.keys():
        if len(w.to_watchdog) < WIRE_MAX:
            released = w.released or kind is say.Release
            yield w.by_drill(kind, to_watchdog=(*w.to_watchdog, kind), released=released)
    if w.to_drill and w.drill not in DEAF:
        yield w.by_drill(w.to_drill[0], to_drill=w.to_drill[1:])
    if F.SILENT in row and w.drill not in (D.STARTING, D.LOADING):
        yield w.by_drill(F.SILENT)
    if F.GONE in row and w.drill is not D.KILLING and not w.watchdog_lives and not w.to_drill:
        yield w.by_drill(F.GONE)
    if F.ACT in row:
        yield w.by_drill(F.ACT)
    if w.drill is D.TAKING:
        yield w.by_drill(F.RIGHT_HELD) if w.right else w.by_drill(F.RIGHT_TAKEN, right="drill")
    if w.drill is D.KILLING:
        yield w.by_drill(F.GONE, watchdog_lives=False)
    yield replace(w, drill_lives=False, right=w.right.replace("drill", ""))


def watchdog_moves(w):
    if not w.watchdog_lives:
        return
    row = TABLE[w.watchdog]
    if w.watchdog is W.STOOD_DOWN:
        yield w.by_watchdog(say.Report, to_drill=(*w.to_drill, say.Report))
        return
    if w.watchdog is W.LOADING:
        for answer in (say.Ready, say.Failed):
            yield w.by_watchdog(answer, to_drill=(*w.to_drill, answer))
        return
    taking = (W.TAKING, W.AWAITING, W.KILLING, W.STANDING_IN, W.OVER)
    if w.to_watchdog and w.watchdog not in taking and len(w.to_drill) < WIRE_MAX:
        kind = w.to_watchdog[0]
        after = w.by_watchdog(kind, to_watchdog=w.to_watchdog[1:])
        answer = ANSWERS.get(kind)
        if answer in (say.Released, say.Rehearsed):
            after = after.by_watchdog(answer, to_drill=(*w.to_drill, answer))
        yield after
    if say.Stop in row and len(w.to_drill) < WIRE_MAX:
        yield w.by_watchdog(say.Stop, to_drill=(*w.to_drill, say.Stop))
    if F.SILENT in row:
        yield w.by_watchdog(F.SILENT)
    if F.NOT_BEGUN in row:
        yield w.by_watchdog(F.NOT_BEGUN)
    if F.GONE in row and w.watchdog is not W.KILLING and not w.drill_lives and not w.to_watchdog:
        yield w.by_watchdog(F.GONE)
    if F.RIGHT_TAKEN in row:
        if not w.right:
            yield w.by_watchdog(F.RIGHT_TAKEN, right="watchdog")
        else:
            yield w.by_watchdog(F.RIGHT_HELD)
    if w.watchdog is W.KILLING:
        yield w.by_watchdog(F.GONE, drill_lives=False)
    if w.watchdog is W.STANDING_IN:
        yield w.by_watchdog(F.DONE)
    yield replace(w, watchdog_lives=False, right=w.right.replace("watchdog", ""))


@pytest.fixture(scope="module")
def worlds():
    """Every world that can come about."""
    seen, todo = {World()}, deque([World()])
    while todo:
        world = todo.popleft()
        for after in (*drill_moves(world), *watchdog_moves(world)):
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_news_that_are_not_explored_are_treated_as_those_that_are():
    """In each state of either end: what begins something as `Arm`, the rest as `LoadEnded`."""
    for row in TABLE.values():
        for kind in ALIKE:
            like = say.LoadEnded if kind in say.LATE_NEWS else say.Arm
            assert row.get(kind) is row.get(like)


def test_no_message_ever_comes_where_it_has_no_place(worlds):
    """The exploration hears every message in every order: a refused one would have raised."""
    assert {w.drill for w in worlds} == set(D)
    assert {w.watchdog for w in worlds} == set(W)


def test_in_no_interleaving_both_ends_act(worlds):
    """Whoever acts alone has seen the other's end."""
    for w in worlds:
        if w.watchdog is W.STANDING_IN and w.watchdog_lives:
            assert not w.drill_lives, w
        if w.drill is D.ALONE and w.drill_lives:
            assert not w.watchdog_lives, w


def test_in_every_interleaving_a_live_watchdog_acts_after_the_drills_death(worlds):
    """It needs no more than its own turns; what was never guarded or is over needs no restore."""
    may_have_changed = {D.GUARDED, D.TOLD, D.ACTING, D.LOST, D.TAKING, D.KILLING, D.ALONE}
    done = 0
    for w in worlds:
        if w.drill_lives or not w.watchdog_lives or w.drill not in may_have_changed:
            continue
        while w.watchdog is not W.STANDING_IN:
            alone = [a for a in watchdog_moves(w) if a.watchdog_lives]
            assert alone, f"nobody acts: {w}"
            w = alone[0]
        assert w.owed is Duty.RESTORE or w.released, w
        done += 1
    assert done > 100


def test_in_every_interleaving_a_live_drill_can_act_after_the_watchdogs_death(worlds):
    """It hears what is left, finds it gone, and acts alone."""
    must = {D.GUARDED, D.TOLD, D.ACTING, D.LOST, D.TAKING, D.KILLING}
    for w in worlds:
        if not w.drill_lives or w.watchdog_lives or w.drill not in must:
            continue
        w = replace(w, to_drill=())
        for _ in range(5):
            if w.drill is not D.ALONE:
                events = [F.ACT, F.RIGHT_TAKEN, F.GONE]
                event = next(e for e in events if e in TABLE[w.drill])
                assert event is not F.RIGHT_TAKEN or not w.right, w
                w = w.by_drill(event)
        assert w.drill is D.ALONE


# --- the two ends themselves, stepped on a held clock ------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Files of as many runs as are asked for."""
    number = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield lambda: RunFiles(f"d{next(number)}")


@pytest.fixture
def pair(runs):
    """Both ends, the drill guarded."""
    ends = Pair(runs())
    ends.watchdog_turn()
    ends.configure()
    assert (ends.drill.state, ends.watchdog.state) == (D.GUARDED, W.GUARDING)
    return ends


def test_a_guarded_drill_is_left_alone_for_as_long_as_it_runs(pair):
    """Five minutes; what the drill tells reaches the watchdog's guard."""
    pair.drill.arm()
    pair.drill.declare("drain", "r1", ["queue_age"])
    pair.stop.allow(400)
    pair.pass_s(300)
    assert pair.told == [("arm",), ("declare", "drain", "r1", ("queue_age",))]
    assert not pair.stop.is_set
    assert pair.acts == []


def test_a_trip_that_the_drill_obeys_is_the_drills_to_restore(pair):
    """It is told, with what tripped for its ledger; however long it takes, it is left alone."""
    pair.trips.append(("limit", {"region": "r1"}))
    pair.sees.set(STOP)
    pair.pass_s(1)
    assert pair.stop.reason == STOP
    assert pair.ledger == ["limit"]
    pair.drill.act()
    pair.stop.allow(400)
    pair.pass_s(300)
    assert pair.watchdog.state is W.DRILL_OBEYS
    assert pair.acts == []


def test_a_trip_that_the_drill_does_not_obey_is_the_watchdogs_after_a_lease(pair):
    """Not before; the drill's process is killed first, and the reason is the trip's."""
    pair.sees.set(STOP)
    pair.pass_s(LEASE_S - 0.4)
    assert not pair.drill_process.dead
    pair.pass_s(0.8)
    assert pair.drill_process.dead
    assert pair.acts == [(Duty.RESTORE, STOP)]
    assert pair.code == 0
    assert pair.run.over


def test_a_drill_that_makes_no_headway_is_taken_over(pair):
    """Its heart turns, and beats no more."""
    pair.pass_s(HEADWAY_S_MAX + LEASE_S + 1)
    ((duty, reason),) = pair.acts
    assert (duty, reason.by) == (Duty.RESTORE, "lost_lease")


def test_an_operator_stops_the_drill_through_its_watchdog(pair):
    """With the operator's reason."""
    pair.run.ask_abort("smoke in the hall")
    pair.pass_s(0.4)
    assert (pair.stop.reason.by, pair.stop.reason.detail) == ("operator", "smoke in the hall")


def test_a_blind_watch_stops_the_drill_until_the_load_is_over(pair):
    """After it the samples say nothing, and the watch is closed."""
    pair.drill.act()
    pair.drill.load_ended()
    pair.watchdog_turn()
    pair.watch.alive = False
    pair.pass_s(1)
    assert not pair.stop.is_set


def test_a_blind_watch_stops_the_drill(pair):
    """Nobody else would see a trip if the drill's process hung."""
    pair.watch.alive = False
    pair.pass_s(0.4)
    assert pair.stop.reason.by == "action:watchdog"


def test_a_rehearsal_is_answered_and_touches_nothing(pair):
    """It says how often it looked, and that it sees; a deaf one answers nothing in a lease."""
    pair.clock.on_wait = lambda _: (pair.watchdog_turn(), pair.drill_turn())
    assert pair.drill.rehearse() == say.Rehearsed(looks=3, sees=True)
    pair.clock.on_wait = lambda _: pair.drill_turn()
    assert pair.drill.rehearse() is None
    assert pair.acts == []


def test_a_watchdog_that_is_silent_is_killed_before_the_drill_acts(pair):
    """It was only stopped, and would have woken to act too."""
    pair.pass_s(LEASE_S + 0.4, watchdog=False)
    assert pair.stop.reason.by == "lost_watchdog"
    pair.drill.act()
    assert pair.drill.state is D.ALONE
    assert pair.watchdog_process.dead


def test_two_that_wake_together_leave_each_other_alone(pair):
    """The machine slept an hour: the drill is stopped, and nobody is killed."""
    pair.stop.allow(4000)
    pair.clock.advance(3600)
    pair.watchdog_turn()
    pair.drill_turn()
    pair.pass_s(1)
    pair.drill.act()
    pair.pass_s(60)
    assert pair.stop.reason.by == "lost_lease"
    assert pair.acts == []
    assert not pair.drill_process.dead
    assert not pair.watchdog_process.dead


def test_after_the_release_silence_is_no_hang_for_two_minutes(pair):
    """Then the process stands still: its watchdog cleans up and restores nothing."""
    pair.drill.act()
    pair.clock.on_wait = lambda _: (pair.watchdog_turn(), pair.drill_turn())
    assert pair.drill.release()
    pair.clock.on_wait = None
    assert (pair.drill.state, pair.watchdog.state) == (D.RELEASED, W.RELEASED)
    pair.pass_s(RELEASED_S - 1, drill=False)
    assert not pair.drill_process.dead
    pair.pass_s(2, drill=False)
    assert [duty for duty, _ in pair.acts] == [Duty.CLEAN_UP]


def test_a_watchdog_that_is_lost_after_the_release_stops_nothing(pair):
    """What was decided stands."""
    pair.drill.act()
    pair.clock.on_wait = lambda _: (pair.watchdog_turn(), pair.drill_turn())
    assert pair.drill.release()
    pair.watchdog_process.kill()
    pair.clock.on_wait = None
    pair.pass_s(1)
    assert pair.drill.state is D.PARTED
    assert not pair.stop.is_set
    assert pair.drill.release()


def test_a_drill_that_is_over_gets_its_watchdogs_report(pair):
    """The watchdog ends without having acted."""
    pair.clock.on_wait = lambda _: (pair.watchdog_turn(), pair.drill_turn())
    pair.drill.act()
    assert pair.drill.ask_report().looks == 3
    assert pair.code == 0
    assert pair.acts == []
    pair.pass_s(60)
    assert not pair.stop.is_set


def test_a_drill_that_dies_before_it_is_guarded_has_changed_nothing(runs):
    """Its testbed is ended, no more."""
    pair = Pair(runs())
    pair.watchdog_turn()
    pair.drill_process.kill()
    pair.watchdog_turn()
    assert [duty for duty, _ in pair.acts] == [Duty.END_UNBEGUN]


def test_what_has_no_place_is_logged_and_has_no_effect(pair, caplog):
    """A fault that is declared after the guard's duty does not reach the watchdog."""
    pair.drill.act()
    pair.clock.on_wait = lambda _: (pair.watchdog_turn(), pair.drill_turn())
    assert pair.drill.release()
    told = list(pair.told)
    pair.drill.declare("drain", "r1", [])
    assert "DrillState.RELEASED: Declare has no place here" in caplog.text
    pair.wires["drill"].send(say.Arm())  # past this end's own table
    pair.watchdog_turn()
    assert "WatchdogState.RELEASED: Arm has no place here" in caplog.text
    assert pair.told == told


AFTER = DUTY_OVER | {D.RELEASING, D.UNRELEASED}
MOVES = st.one_of(
    st.tuples(
        st.just("pass"), st.floats(0.05, 8.0), st.sampled_from(["both", "drill", "watchdog"])
    ),
    st.sampled_from([("sleep",), ("trip",), ("abort",), ("act",), ("rest",), ("steer",)]),
    st.sampled_from([("kill drill",), ("kill watchdog",), ("release",), ("over",)]),
)


def moved(pair, move):
    """One thing happens."""
    drill_lives = not pair.drill_process.dead
    match move:
        case ("pass", seconds, who):
            pair.pass_s(seconds, drill=who != "watchdog", watchdog=who != "drill")
        case ("sleep",):
            pair.clock.advance(600)
        case ("trip",):
            pair.sees.set(STOP)
        case ("act",) if drill_lives:
            pair.drill.act()
        case ("rest",):
            pair.stop.allow(100)
        case ("steer",) if drill_lives:
            pair.drill.steers({"a": 1})
            pair.drill.steered()
        case ("kill drill",):
            pair.drill_process.kill()
        case ("kill watchdog",):
            pair.watchdog_process.kill()
        case ("release",) if drill_lives and pair.drill.state is D.ACTING:
            pair.drill._tell(say.Release())
        case ("over",) if drill_lives and pair.drill.state in (D.ACTING, D.RELEASED):
            pair.drill._tell(say.StandDown())
    pair.check()


@settings(max_examples=150, deadline=None)
@given(moves=st.lists(MOVES, max_size=25))
def test_the_two_ends_never_both_act_and_one_acts_after_the_drills_death(runs, moves):
    """Whatever happens in whatever order; the watchdog's stand-in checks that the drill is dead."""
    pair = Pair(runs())
    pair.watchdog_turn()
    pair.configure()
    for move in moves:
        moved(pair, move)
    if not pair.watchdog_process.dead and pair.drill.state not in AFTER:
        pair.drill_process.kill()
        pair.pass_s(1)
        assert [duty for duty, _ in pair.acts] == [Duty.RESTORE]
    elif pair.drill.state in (D.GUARDED, D.TOLD, D.ACTING, D.LOST) and not pair.drill_process.dead:
        pair.pass_s(1)
        pair.drill.act()
        assert pair.drill.state is D.ALONE
    assert len(pair.acts) <= 1
