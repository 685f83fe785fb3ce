"""What the guard knows besides samples: rotation, causes, time scale; and what a trip says."""

from __future__ import annotations

import pytest
from test_triggers import CONTRACT, EAST, T0, WEST, Trace, minutes

from muster.guard.triggers import Guard
from muster.guard.trips import Declared, Rotation

FAILURE = "token_validation"
LOST_WITH_IT = ("requests", "streams_broken", "queue_age", "circuit_open", "admission_failures")


def fault(*expects, reverted_s=None):
    return Declared("a_fault", WEST, expects, T0, reverted_s)


@pytest.mark.parametrize(
    ("expects", "region", "excused"),
    [
        (("queue_age",), WEST, True),
        (("queue_age",), EAST, False),
        (("circuit_open:primary",), WEST, False),
        ((), WEST, False),
    ],
)
def test_a_queue_may_grow_only_where_a_fault_must_let_it(expects, region, excused):
    """In its region, and by its name."""
    trace = Trace(declared=[fault(*expects)])
    trace.gauges["queue_age", region, ""] = 31.0
    trace.run(5)
    assert (trace.trips == []) is excused


@pytest.mark.parametrize("after_s", [60, 61])
def test_a_queue_is_excused_for_a_minute_after_its_cause(after_s):
    """To the second."""
    trace = Trace(declared=[fault("queue_age", reverted_s=T0 + 10)])
    trace.run(10 + after_s - 1)
    trace.gauges["queue_age", WEST, ""] = 31.0
    trace.run(1)
    trace.gauges["queue_age", WEST, ""] = 0.0
    trace.run(1)
    assert len(trace.trips) == (0 if after_s == 60 else 1)


@pytest.mark.parametrize(
    ("expects", "trips"),
    [("circuit_open:primary", 0), ("circuit_open", 0), ("circuit_open:fallback", 1)],
)
def test_a_circuit_may_open_only_where_a_fault_must_open_it(expects, trips):
    """By route, or any; it is kept as expected then."""
    trace = Trace(declared=[fault(expects)])
    trace.gauges["circuit_open", WEST, "primary"] = 1.0
    trace.run(130)
    assert len(trace.trips) == trips
    told = trace.trips or trace.guard.expected
    [trip] = told
    began_s = trip.t_trip_s - 121
    assert (trip.kind, trip.name, trip.region) == ("trigger", "circuit_open", WEST)
    assert trip.windows == ((began_s, trip.t_trip_s),)
    assert (trip.measured, trip.threshold, trip.unit) == (121.0, 120.0, "s")
    assert trip.expected is (trips == 0)
    assert trip.detail == "circuit of route primary open for 121.0 s at a"


def test_a_circuit_counts_anew_a_minute_after_its_cause_was_reverted():
    """Open on and on: two minutes from there it trips."""
    trace = Trace(declared=[fault("circuit_open:primary", reverted_s=T0 + 10)])
    trace.gauges["circuit_open", WEST, "primary"] = 1.0
    trace.run(10 + 60 + 121)
    assert trace.trips == []
    trace.run(1)
    [trip] = trace.trips
    assert (trip.t_trip_s, trip.measured, trip.expected) == (T0 + 192, 121.0, False)


def test_the_fallback_routes_circuit_is_no_trigger():
    """The contract names the primary."""
    trace = Trace()
    trace.gauges["circuit_open", WEST, "fallback"] = 1.0
    trace.run(300)
    assert trace.trips == []


def test_a_queues_trip_says_since_when_and_how_old():
    """The trigger's stretch is the ten minutes."""
    trace = Trace()
    trace.gauges["queue_age", WEST, ""] = 31.0
    trace.run(602)
    limit, trigger = trace.trips
    assert (limit.kind, trigger.kind) == ("limit", "trigger")
    assert trigger.windows == ((trigger.t_trip_s - 601, trigger.t_trip_s),)
    assert (trigger.measured, trigger.threshold, trigger.unit) == (31.0, 30.0, "s")
    assert trigger.detail == "oldest job 31.0 s, over 30 s for 601 s"
    assert trigger.region == WEST


def test_a_hard_failures_trip_says_for_how_long():
    """Both processes' counters count, each by itself."""
    trace = Trace()
    for _ in range(62):
        trace.counters["admission_failures", WEST, FAILURE] += 1
        trace.run(1)
    [trip] = trace.trips
    assert trip.windows == ((trip.t_trip_s - 61, trip.t_trip_s),)
    assert (trip.region, trip.measured, trip.threshold, trip.unit) == (WEST, 61.0, 60.0, "s")
    assert trip.detail == f"{FAILURE} still increasing after 61.0 s"


def test_two_processes_that_show_different_counts_are_no_failure():
    """5 and 7 in turn is neither an increase nor a restart."""
    trace = Trace()
    for second in range(200):
        fresh = [
            (
                "admission_failures",
                "f",
                {"region": WEST, "reason": FAILURE, "instance": instance},
                (T0 + second,),
                (value,),
            )
            for instance, value in (("x", 5.0), ("y", 7.0))
        ]
        trace.trips += trace.guard.push(fresh, T0 + second, rotation=frozenset({WEST}), declared=[])
    assert [trip for trip in trace.trips if trip.kind == "trigger"] == []


def test_the_time_scale_shortens_every_length():
    """Six times: queue after 100 s, hard failure after 10 s, a cause's minute in 10 s."""
    queue = Trace(time_scale=6.0)
    queue.gauges["queue_age", WEST, ""] = 31.0
    queue.run(101)
    assert queue.triggers() == []
    queue.run(1)
    assert queue.triggers() == ["queue_age"]
    failing = Trace(time_scale=6.0)
    for second in range(12):
        failing.counters["admission_failures", WEST, FAILURE] += 1
        failing.run(1)
        assert len(failing.triggers()) == (1 if second == 11 else 0)
    caused = Trace(time_scale=6.0, declared=[fault("queue_age", reverted_s=T0)])
    caused.run(10)
    caused.gauges["queue_age", WEST, ""] = 31.0
    caused.run(1)
    assert [trip.kind for trip in caused.trips] == ["limit"]


def test_a_region_that_left_and_came_back_begins_anew_for_every_detector():
    """An open circuit and an old queue of before are not carried over."""
    trace = Trace()
    trace.gauges["circuit_open", WEST, "primary"] = 1.0
    trace.run(100)
    trace.rotation = frozenset({EAST})
    trace.run(50)
    trace.rotation = frozenset({EAST, WEST})
    trace.run(100)
    assert trace.trips == []
    trace.run(25)
    assert trace.triggers() == ["circuit_open"]


def test_missing_signals_are_told_with_their_window():
    """Region, signal, and the fourth minute."""
    trace = Trace()
    trace.missing = {f"queue_age/{WEST}"}
    trace.run(4 * 60 + 10)
    [trip] = trace.trips
    assert (minutes(trip), trip.windows) == (4.0, ((T0 + 180, T0 + 240),))
    assert trip.detail == "queue_age: 4 windows in a row without data"


def test_a_cause_explains_from_its_declaration_to_a_while_after_its_revert():
    """Both ends included; by its whole name or the signal's."""
    one = Declared("f", WEST, ("admission_failures",), 10.0, 20.0)
    seen = [one.explains(WEST, "admission_failures:x:y", t, 5.0) for t in (9.9, 10.0, 25.0, 25.1)]
    assert seen == [False, True, True, False]
    assert not one.explains(WEST, "queue_age", 15.0, 5.0)
    assert not one.explains(EAST, "admission_failures:x", 15.0, 5.0)


def test_rotation_is_what_held_all_the_time():
    """Who left in between was not in it; a change at the very end is of the next window."""
    rotation = Rotation()
    both, east, none = frozenset({EAST, WEST}), frozenset({EAST}), frozenset()
    assert rotation.throughout(0, 10) == none
    rotation.set(0, both)
    rotation.set(5, both)
    rotation.set(20, east)
    rotation.set(25, none)
    rotation.set(30, both)
    assert rotation.throughout(0, 20) == both
    assert rotation.throughout(0, 21) == east
    assert rotation.throughout(15, 26) == none
    assert rotation.throughout(15, 40) == none
    assert rotation.throughout(30, 40) == both
    rotation.set(28, east)
    assert rotation.throughout(29, 30) == none
    rotation.forget(31)
    assert rotation.throughout(31, 40) == east


@pytest.mark.parametrize(("expects", "lost"), [(("series",), False), ((), True)])
def test_a_region_whose_series_a_fault_takes_is_no_lost_data(expects, lost):
    """It is like one out of rotation, and only while the fault says so."""
    trace = Trace(declared=[fault(*expects)])
    trace.missing |= {f"{signal}/{WEST}" for signal in LOST_WITH_IT}
    trace.bad(WEST, 60, side="client")
    trace.run(10 * 60)
    assert any(trip.kind == "data_lost" for trip in trace.trips) is lost
    assert bool(trace.trips) is lost


def test_the_survivors_of_a_loss_stay_guarded():
    """What goes wrong elsewhere trips as ever."""
    trace = Trace(declared=[fault("series")])
    trace.bad(EAST, 60)
    trace.run(3 * 60)
    assert {(trip.name, trip.region) for trip in trace.trips} >= {("rate_5xx", EAST)}


def test_a_region_that_came_back_is_guarded_again():
    """From a minute after the revert on."""
    trace = Trace(declared=[fault("series", reverted_s=T0 + 10)])
    trace.bad(WEST, 60)
    trace.run(69)
    assert trace.trips == []
    trace.run(5 * 60)
    assert {trip.region for trip in trace.trips} >= {WEST}


def test_what_a_loss_cut_stands_in_no_window_that_began_before_it():
    """Its samples come seconds later; with a bad minute of the survivor's they would make two."""
    trace = Trace()
    trace.run(118)
    lost = Declared("a_fault", WEST, ("series",), trace.t_s)
    trace.bad(WEST, 60, side="client")
    trace.run(3)
    trace.declared = [lost]
    trace.bad(EAST, 5, side="client")
    trace.run(60)
    trace.bad(EAST, 0, side="client")
    trace.run(3 * 60)
    assert trace.trips == []


def test_two_metrics_of_one_signal_are_two_counters():
    """With the same labels: what the second one counts is not lost behind the first."""
    guard = Guard(CONTRACT, CONTRACT.gates["M3"], CONTRACT.tiers["G"], 1.0, (WEST,), 4.0)
    tripped = set()
    for second in range(6 * 60):
        fresh = [
            (
                *("requests", name, {"region": WEST, "instance": "a", "code": code}),
                *((T0 + second,), (value,)),
            )
            for name, code, value in (
                ("first", "500", 0.0),
                ("second", "500", 1.0 * second),
                ("first", "200", 9.0 * second),
            )
        ]
        trips = guard.push(fresh, T0 + second, rotation=frozenset({WEST}), declared=[])
        tripped |= {(trip.name, trip.kind) for trip in trips}
    assert ("rate_5xx", "trigger") in tripped


def lost_at(*seconds_shown, otherwise=()):
    """When a queue that is shown in these seconds, else as `otherwise`, is told as lost."""
    trace = Trace()
    trace.missing = {f"queue_age/{WEST}"}
    for second in range(1, 420):
        trace.run(1)
        values = (0.0,) if second in seconds_shown else otherwise
        fresh = [
            ("queue_age", "queue_age", {"region": WEST, "instance": "a"}, (trace.t_s,), (value,))
            for value in values
        ]
        both = frozenset({EAST, WEST})
        trace.trips += trace.guard.push(fresh, trace.t_s, rotation=both, declared=[])
    return [(trip.name, trip.t_trip_s - T0) for trip in trace.trips]


def test_a_sample_without_a_value_shows_no_queue():
    """Whether it comes or not: four minutes without any age are data lost."""
    assert lost_at() == lost_at(otherwise=(None,)) == [("queue_age", 240.0)]


def test_a_signal_was_shown_in_a_window_by_a_sample_that_stands_at_its_end():
    """56 s into the first minute is in time for it, 55 s is not."""
    assert lost_at(56) == [("queue_age", 300.0)]
    assert lost_at(55) == [("queue_age", 240.0)]


def test_a_window_closes_when_its_last_samples_have_arrived():
    """Four seconds after its end, and not before."""
    trace = Trace()
    trace.bad(WEST, 5.0)
    assert trace.run(2 * 60 + 3) == []
    assert [(trip.kind, minutes(trip)) for trip in trace.run(1)] == [("limit", 2.0)]


def failing(*spans, missing=()):
    """When a hard failure that rises in these seconds trips, out of sight in some."""
    trace = Trace()
    for second in range(1, 250):
        trace.counters["admission_failures", WEST, FAILURE] += any(
            start <= second <= end for start, end in spans
        )
        trace.missing = {"admission_failures"} if second in missing else set()
        trace.run(1)
    return [trip.t_trip_s - T0 for trip in trace.trips]


def test_quiet_samples_are_no_gap_in_a_hard_failure():
    """It failed once, 40 s later again and on; and quiet for over a minute resolved it."""
    assert failing((1, 1), (41, 120)) == [62.0]
    assert failing((1, 1), (70, 140)) == [131.0]


def test_a_hard_failure_out_of_sight_neither_counts_nor_is_resolved():
    """Forty seconds of it, ninety unseen, and the rest of the minute."""
    assert failing((1, 200), missing=range(41, 131)) == [153.0]
