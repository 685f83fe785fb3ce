"""The times of a controlled evacuation judged by the target's limits, where it states any."""

from __future__ import annotations

import pytest
from test_loss import event

from muster.judge.phases import phases_of
from muster.judge.times import judge_times


def ledger(**times):
    found = [
        event(0, "phase_started", phase="evacuate", tier="G"),
        event(9, "phase_ended", phase="evacuate", outcome="ok"),
    ]
    return found + [event(9, "timing", name=name, value_s=value) for name, value in times.items()]


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


@pytest.mark.parametrize("value", [None, "8", True])
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
