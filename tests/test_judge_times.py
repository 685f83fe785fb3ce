"""The times of a controlled evacuation judged by the target's limits, where it states any."""

from __future__ import annotations

import pytest

from muster.judge.phases import phases_of
from muster.judge.times import judge_caught_up, judge_times


def event(t_s, kind, **fields):
    return {"t": t_s, "event": kind, **fields}


PLACES = {"shift_s": "evacuate", "drain_s": "drain", "restore_s": "restore"}


def ledger(*more, **times):
    """Each phase of an evacuation, with the times that it records; then `more`."""
    found = []
    for phase in ("evacuate", "drain", "restore"):
        found.append(event(0, "phase_started", phase=phase, tier="G"))
        found += [
            event(9, "timing", name=name, value_s=value)
            for name, value in times.items()
            if PLACES.get(name, "evacuate") == phase
        ]
        found.append(event(9, "phase_ended", phase=phase, outcome="ok"))
    return [*found, *more]


def judged(limits, events):
    found = judge_times(events, phases_of(events), limits)
    return [(f.slo, f.phase, f.status, f.measured, f.threshold, f.margin) for f in found]


@pytest.mark.parametrize(
    ("took_s", "status", "margin"), [(8.0, "pass", 2.0), (10, "pass", 0.0), (10.5, "fail", -0.5)]
)
@pytest.mark.parametrize(
    ("name", "phase"), [("shift", "evacuate"), ("drain", "drain"), ("restore", "restore")]
)
def test_each_time_has_a_limit_of_its_own(name, phase, took_s, status, margin):
    """At the limit is within it."""
    limits = {f"{name}_s_max": 10}
    (only,) = judged(limits, ledger(**{f"{name}_s": took_s, "dark_s": 99}))
    assert only == (f"time_to_{name}", phase, status, took_s, 10, margin)


@pytest.mark.parametrize("value", [None, "8", True, -5, float("nan"), float("inf")])
def test_a_time_that_was_not_recorded_is_unknown(value):
    """Never within its limit."""
    times = {} if value is None else {"shift_s": value}
    (only,) = judged({"shift_s_max": 10, "drain_s_max": None}, ledger(**times))
    assert only == ("time_to_shift", "evacuate", "unknown", None, 10, None)


def test_without_limits_or_an_evacuation_there_is_no_such_finding():
    """A drill that evacuates nothing has no such times."""
    assert judged({}, ledger(shift_s=8)) == []
    other = [event(0, "phase_started", phase="loss"), event(9, "timing", name="x", value_s=1)]
    assert judged({"shift_s_max": 10}, other) == []


def test_a_time_counts_only_in_its_own_phase():
    """A later loss records a time of the same name; of two in one phase the longer counts."""
    later = (
        event(20, "phase_started", phase="comeback", tier="G"),
        event(29, "timing", name="restore_s", value_s=2),
    )
    (only,) = judged({"restore_s_max": 10}, ledger(*later, restore_s=50))
    assert only[2:4] == ("fail", 50)
    (only,) = judged({"restore_s_max": 10}, ledger(*later))
    assert only[2] == "unknown"
    again = (event(9, "timing", name="restore_s", value_s=60),)
    (only,) = judged({"restore_s_max": 10}, ledger(*again, restore_s=5))
    assert only[2:4] == ("fail", 60)


def caught_up(limits, *times):
    events = [
        event(0, "phase_started", phase="caught_up", tier="G"),
        *(event(5, "timing", name="caught_up_s", value_s=value) for value in times),
        event(9, "phase_ended", phase="caught_up", outcome="ok"),
    ]
    (only,) = judge_caught_up(events, phases_of(events), limits)
    assert (only.slo, only.phase) == ("rto", "caught_up")
    return only.status, only.measured


def test_stale_answers_are_judged_by_the_ledger_and_never_by_the_drills_own_word():
    """Unknown without a time or a limit."""
    limits = {"rto_s_max": 15}
    assert caught_up(limits, 15) == ("pass", 15)
    assert caught_up(limits, 400) == ("fail", 400)
    assert caught_up(limits) == ("unknown", None)
    assert caught_up(limits, -1)[0] == "unknown"
    assert caught_up({}, 5) == ("unknown", 5)
    assert judge_caught_up([], [], limits) == []
