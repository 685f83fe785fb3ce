"""What failed or fired while the rig broke its own limits, and what stands all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_counting import FINDING
from test_evaluate import CONTRACT, samples_of

from muster.judge.phases import Phase
from muster.judge.rig_fault import RigFaults, excused, stop_fault
from muster.samples.series import series_of
from muster.samples.windows import Absence

PHASES = [
    Phase("evacuate", "G", 0.0, 30.0, True),
    Phase("dark", "G", 30.0, 90.0, True),
    Phase("restore", "G", 90.0, 120.0, True),
]
WINDOW_S = 10.0


def faults(pauses=(), late_share=1.0, per_s=100):
    """A load that stands still in each of `pauses` and then starts at once what was due."""
    scrapes = [float(t) for t in range(121) if not any(a < t <= b for a, b in pauses)]

    def due(t):
        return per_s * t

    def late(t):
        return late_share * sum(per_s * (b - a) for a, b in pauses if t > b)

    rows = {"client_scheduled": due, "client_offered": due, "client_late": late}
    series = [
        series_of(signal, signal, {"instance": "a"}, [(t, float(value(t))) for t in scrapes])
        for signal, value in rows.items()
    ]
    return RigFaults(samples_of(*series), CONTRACT.load_validity, 4.0)


def failing(**changes: Any):
    plain = {"slo": "success_2xx", "phase": "dark", "window": (30.0, 90.0), "status": "fail"}
    plain |= {"region": None, "source": "client", "reason": "", "bracket": None}
    return replace(FINDING, **plain | changes)


PAUSE = ((40.0, 50.0),)


def test_every_failing_finding_of_a_window_in_which_the_rig_broke_its_limits_is_unknown():
    """Rates, queue, streams, and what the drill itself recorded for that phase."""
    found = [
        failing(),
        failing(slo="queue_age", region="east", source="server"),
        failing(slo="streams_held"),
        failing(slo="streams_cut", window=None, reason="cut"),
        failing(slo="rate_5xx", phase="evacuate", window=(0.0, 30.0)),
        failing(slo="rate_5xx", phase="restore", window=(90.0, 120.0)),
    ]
    told = excused(faults(PAUSE), PHASES, found)
    assert [one.status for one in told] == ["unknown"] * 4 + ["fail"] * 2
    assert told[0].reason == "missed; the rig: 16.7 % of arrivals started late"
    assert told[3].reason.startswith("cut; the rig: ")
    assert excused(faults(), PHASES, found) == found


def test_what_passes_stands_and_what_names_no_time_is_not_excused():
    """Only a failing finding is made unknown; without window or phase nobody knows when."""
    plain = [failing(status="pass"), failing(status="unknown"), failing(phase=None, window=None)]
    plain.append(failing(phase="elsewhere", window=None))
    assert excused(faults(PAUSE), PHASES, plain) == plain


@pytest.mark.parametrize(("late_share", "status"), [(0.29, "fail"), (0.31, "unknown")])
def test_the_contracts_limit_decides_and_no_single_late_start(late_share, status):
    """5 % of the window's arrivals: 290 of 6,000 are not, 310 are."""
    (told,) = excused(faults(PAUSE, late_share), PHASES, [failing()])
    assert told.status == status


def test_a_longer_window_fails_for_what_the_rig_did_in_one_phase_of_it():
    """Too few of all its arrivals were late, and the other phases hold."""
    rig = faults(PAUSE, late_share=0.5)
    whole = failing(phase="evacuate..restore", window=(0.0, 120.0))
    (told,) = excused(rig, PHASES, [whole])
    assert told.status == "unknown"
    assert told.reason == "missed; the rig: in dark 8.3 % of arrivals started late"
    for other in (failing(slo="rate_429"), failing(source="server"), failing(status="pass")):
        assert excused(rig, PHASES, [whole, other])[0].status == "unknown"


def test_a_longer_window_that_fails_elsewhere_too_stands():
    """The platform failed by itself in a phase in which the rig was fit."""
    whole = failing(phase="evacuate..restore", window=(0.0, 120.0))
    alone = failing(phase="restore", window=(90.0, 120.0))
    told = excused(faults(PAUSE, late_share=0.5), PHASES, [whole, failing(), alone])
    assert [one.status for one in told] == ["fail", "unknown", "fail"]


@pytest.mark.parametrize(
    ("window", "other", "status"),
    [
        ((0.0, 120.0), ("evacuate", (0.0, 30.0)), "fail"),  # begins with it
        ((0.0, 120.0), ("restore", (90.0, 120.0)), "fail"),  # ends with it
        ((20.0, 120.0), ("evacuate", (0.0, 30.0)), "unknown"),  # begins before it
        ((0.0, 119.0), ("restore", (90.0, 120.0)), "unknown"),  # ends after it
    ],
)
def test_only_a_failure_within_the_longer_window_makes_it_stand(window, other, status):
    """What reaches out of it may have failed outside of it."""
    name, span = other
    whole = failing(phase="evacuate..restore", window=window)
    told = excused(faults(PAUSE, late_share=0.5), PHASES, [whole, failing(phase=name, window=span)])
    assert told[0].status == status


@pytest.mark.parametrize(
    ("window", "seen"),
    [
        ((5.5, 8.0), (5.5, 8.0)),
        ((20.0, 25.0), (20.0, 25.0)),  # it begins with a scrape
        ((14.0, 25.0), (14.0, 25.0)),  # four seconds after the last scrape
        ((14.1, 25.0), (10.0, 25.0)),
        ((2.0, 14.0), (2.0, 14.0)),
        ((2.0, 14.1), (2.0, 20.0)),
        ((2.0, 40.0), (2.0, 40.0)),  # after the last scrape of all
        ((-9.0, 8.0), (-9.0, 8.0)),  # before the first one
    ],
)
def test_a_window_is_seen_from_scrape_to_scrape_where_its_ends_lie_in_a_gap(window, seen):
    """Longer than a sample may stand; a counter that nobody scraped hides none of the others."""
    times = [*range(11), *range(20, 31)]
    shown = series_of("client_offered", "o", {}, [(float(t), float(t)) for t in times])
    unseen = series_of("client_offered", "o", {"instance": "b"}, [])
    rig = RigFaults(samples_of(unseen, shown), CONTRACT.load_validity, 4.0)
    assert rig._seen(*window) == seen


def test_a_load_of_two_scrapes_is_seen_from_one_to_the_other():
    """The first of them is a beginning, and the last an end."""
    shown = series_of("client_offered", "o", {}, [(0.0, 0.0), (10.0, 10.0)])
    rig = RigFaults(samples_of(shown), CONTRACT.load_validity, 4.0)
    assert rig._seen(6.0, 7.0) == (0.0, 10.0)


@pytest.mark.parametrize("declared", [True, False])
def test_a_load_that_is_declared_gone_is_known_until_then(declared):
    """Without the declaration nobody knows what it offered after its last scrape."""
    rows = {
        "client_scheduled": lambda t: 100.0 * t,
        "client_offered": lambda t: 100.0 * t,
        "client_late": lambda t: 10.0 * t,
    }
    series = [
        series_of(signal, signal, {"region": "west"}, [(float(t), of(t)) for t in range(51)])
        for signal, of in rows.items()
    ]
    absences = (Absence("west", 50.0, 120.0),) if declared else ()
    rig = RigFaults(samples_of(*series), CONTRACT.load_validity, 4.0, absences)
    assert bool(rig.within(30.0, 90.0)) is declared


def event(t, kind, **more):
    return {"t": t, "event": kind, **more}


def trip(t_trip, *windows, name="success_2xx", kind="limit"):
    return event(
        t_trip + 1, kind, **{kind: name}, t_trip=t_trip, windows=[list(w) for w in windows]
    )


def stopped(t_trip, by="limit:success_2xx", verdict="FAIL"):
    return event(t_trip + 1, "stopped", by=by, verdict=verdict, t_trip=t_trip)


def said(*events, rig=None, **more):
    return stop_fault(rig or faults(PAUSE), PHASES, events, WINDOW_S, **more)


def test_a_limit_that_fired_on_what_the_rig_did_proves_nothing():
    """In one of its windows, or in the one before them; with its stop or without."""
    both = trip(70.0, (50.0, 60.0), (60.0, 70.0)), stopped(70.0)
    assert said(*both) != ""
    assert said(both[0]) != ""
    assert said(*both, rig=faults()) == ""
    after = trip(75.0, (55.0, 65.0), (65.0, 75.0)), stopped(75.0)
    assert said(*after) != ""


def test_a_limit_in_other_windows_stands():
    """In a phase in which the rig was fit, and a whole window after it was not."""
    for t_s in (30.0, 112.0):
        assert said(trip(t_s, (t_s - 20, t_s - 10), (t_s - 10, t_s)), stopped(t_s)) == ""
    fit = faults(PAUSE, late_share=0.29)
    for t_s, excused_by_its_windows in ((39.0, False), (60.0, True), (85.0, False)):
        both = trip(t_s, (t_s - 20, t_s - 10), (t_s - 10, t_s)), stopped(t_s)
        assert bool(said(*both, rig=fit)) is excused_by_its_windows, t_s


def test_a_limit_within_a_phase_in_which_the_rig_broke_its_limits_proves_nothing():
    """Over the whole of it, though in none of the limit's own windows."""
    both = trip(85.0, (65.0, 75.0), (75.0, 85.0)), stopped(85.0)
    assert said(*both).startswith("limit:success_2xx: the rig: 16.7 % of arrivals")


def test_a_limit_that_fires_at_once_is_looked_at_for_a_window_before():
    """The queue's limit has no length of its own."""
    at_once = trip(55.0, (55.0, 55.0), name="queue_age"), stopped(55.0, "limit:queue_age")
    assert said(*at_once).startswith("limit:queue_age: the rig: ")
    later = trip(112.0, (112.0, 112.0), name="queue_age"), stopped(112.0, "limit:queue_age")
    assert said(*later) == ""


def test_a_window_that_begins_while_the_load_stands_still_is_seen_to_its_next_scrape():
    """What it did not start shows when it wakes, and so does a window that ends meanwhile."""
    rig = faults(PAUSE)
    assert rig.within(47.0, 55.0) != ""
    assert rig.within(30.0, 46.0) != ""
    assert rig.within(20.0, 39.0) == ""
    assert rig.within(52.0, 60.0) == ""


def test_a_stop_without_a_trip_is_looked_at_from_its_phases_start():
    """Traffic that would not leave while the load stood still."""
    by = "platform:drain_bound_passed"
    assert said(stopped(60.0, by)).startswith(f"{by}: the rig: ")
    assert said(stopped(29.0, by)) == ""
    assert said(stopped(110.0, by)) == ""


def test_one_that_stands_is_enough():
    """A second trigger in windows in which the rig was fit; one that was expected is none."""
    excusable = trip(70.0, (50.0, 60.0), (60.0, 70.0))
    alone = trip(30.0, (10.0, 20.0), (20.0, 30.0), name="rate_5xx", kind="trigger")
    assert said(excusable, stopped(70.0)) != ""
    assert said(excusable, alone, stopped(70.0)) == ""
    assert said(excusable, {**alone, "expected": True}, stopped(70.0)) != ""


@pytest.mark.parametrize(("pause", "name"), [((5.0, 9.0), "evacuate"), ((100.0, 104.0), "restore")])
def test_the_first_and_the_last_phase_of_a_stretch_excuse_it_too(pause, name):
    """Over the whole of it the rig kept its limits; in that phase it did not."""
    rig = faults((pause,))
    assert rig.within(0.0, 120.0) == ""
    [found] = excused(rig, PHASES, [failing(phase="evacuate..restore", window=(0.0, 120.0))])
    assert found.status == "unknown"
    assert found.reason == f"missed; the rig: in {name} 13.3 % of arrivals started late"


SHORT = ((48.0, 50.0),)
"""Late in a window or two, and too little for the whole phase."""


def test_a_limit_is_excused_by_any_of_its_own_windows():
    """The first of three; neither its phase nor the time since that began is broken."""
    rig = faults(SHORT)
    windows = ((45.0, 55.0), (55.0, 65.0), (65.0, 75.0))
    assert rig.within(30.0, 90.0) == rig.within(30.0, 75.0) == rig.within(35.0, 45.0) == ""
    assert said(trip(75.0, *windows), stopped(75.0), rig=rig) == (
        "limit:success_2xx: the rig: 20.0 % of arrivals started late"
    )
    assert said(trip(75.0, *windows[1:]), stopped(75.0), rig=faults()) == ""


def test_a_limit_is_excused_by_the_window_before_its_own():
    """What a rig did on waking is felt for a while, and not for two."""
    rig = faults(SHORT)
    assert said(trip(62.0, (52.0, 62.0)), stopped(62.0), rig=rig) != ""
    assert said(trip(75.0, (65.0, 75.0)), stopped(75.0), rig=rig) == ""


def test_a_phase_that_was_over_when_the_first_window_began_excuses_nothing():
    """It ended at that very moment."""
    rig = faults(((5.0, 13.0),))
    assert rig.within(0.0, 30.0) != ""
    assert said(trip(50.0, (30.0, 40.0), (40.0, 50.0)), stopped(50.0), rig=rig) == ""


def test_a_stop_at_a_phases_end_is_looked_at_from_that_phases_start():
    """Not from the one that begins with it; before the first phase there is nothing to look at."""
    by = "platform:drain_bound_passed"
    assert said(stopped(30.0, by), rig=faults(((5.0, 13.0),))).startswith(f"{by}: the rig: ")
    assert said(stopped(0.0, by)) == ""


def test_a_stop_without_its_moment_arose_when_it_was_written():
    """As older drills wrote them."""
    plain = {key: value for key, value in stopped(60.0, "x").items() if key != "t_trip"}
    assert said(plain).startswith("x: the rig: ")
    assert said({**plain, "t": 29.0}) == ""


def test_every_cause_is_said_once():
    """Two limits, and a stop by another reason."""
    first = trip(70.0, (50.0, 60.0), (60.0, 70.0))
    other = trip(70.0, (50.0, 60.0), (60.0, 70.0), name="rate_5xx")
    found = said(first, first, other, stopped(70.0, "x")).split("; ")
    assert [line.partition(": the rig: ")[0] for line in found] == [
        "limit:success_2xx",
        "limit:rate_5xx",
        "x",
    ]


def test_other_stops_are_none_of_the_platforms():
    """An operator's, data that was lost; and no stop at all."""
    assert said() == ""
    assert said(stopped(60.0, "operator", "ABORTED")) == ""


def test_after_an_abrupt_loss_its_own_rules_hold():
    """From the loss on; before it these."""
    both = trip(70.0, (50.0, 60.0), (60.0, 70.0)), stopped(70.0)
    assert said(*both, lost_s=70.0) == ""
    assert said(*both, lost_s=80.0) != ""


STATUS = st.sampled_from(["pass", "fail", "unknown", "not_judged"])
SPAN = st.sampled_from([None, (0.0, 30.0), (30.0, 90.0), (90.0, 120.0), (0.0, 120.0)])


@given(st.lists(st.tuples(STATUS, SPAN, st.sampled_from(["a", "b"])), max_size=8), st.booleans())
def test_an_excuse_makes_no_pass(rows, paused):
    """Whatever failed has failed or is unknown after it; all else is as it was."""
    found = [failing(status=status, window=window, slo=slo) for status, window, slo in rows]
    told = excused(faults(PAUSE if paused else ()), PHASES, found)
    for before, after in zip(found, told, strict=True):
        allowed = {"fail", "unknown"} if before.status == "fail" else {before.status}
        assert after.status in allowed
    if not paused:
        assert told == found
