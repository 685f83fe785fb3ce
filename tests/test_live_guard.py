"""The guard's countdowns: what is said to trip in so many seconds trips then, and not before."""

from __future__ import annotations

import pytest
from test_triggers import T0, WEST, Trace

from muster.guard.trips import Nearing


def nearing(trace: Trace) -> list[Nearing]:
    return trace.guard.nearing(trace.t_s)


def test_nothing_counts_on_a_healthy_platform() -> None:
    """Nor in a queue at its limit, nor for one failure that is over."""
    trace = Trace()
    trace.run(130)
    assert nearing(trace) == []
    trace.counters["admission_failures", WEST, "token_validation"] += 1
    trace.run(120)
    assert nearing(trace) == []


@pytest.mark.parametrize(
    ("name", "ran_s", "left_s"),
    [
        ("circuit_open", 30, 91.0),
        ("queue_age", 100, 501.0),
        ("hard_failure:token_validation", 20, 41.0),
    ],
)
def test_a_countdown_ends_when_the_trigger_trips(name: str, ran_s: int, left_s: float) -> None:
    """The next sample after the last second of it: the length itself is allowed."""
    trace = Trace()
    trace.run(10)

    def on(seconds: int) -> None:
        for _ in range(seconds):
            if name.startswith("hard_failure"):
                trace.counters["admission_failures", WEST, "token_validation"] += 1
            trace.run(1)

    if name == "circuit_open":
        trace.gauges["circuit_open", WEST, "primary"] = 1.0
    elif name == "queue_age":
        trace.gauges["queue_age", WEST, ""] = 31.0
    on(ran_s)
    (one,) = [near for near in nearing(trace) if near.kind == "trigger"]
    assert (one.name, one.region) == (name, WEST)
    assert one.trips_in_s == pytest.approx(left_s, abs=1.0)
    on(int(one.trips_in_s))
    assert trace.triggers() == []
    on(2)
    assert trace.triggers() == [name]
    assert not [near for near in nearing(trace) if near.name == name and near.kind == "trigger"]


def test_a_rate_counts_down_by_windows_and_starts_over_with_a_good_one() -> None:
    """Two of five windows in breach: three more trip it."""
    trace = Trace()
    trace.bad(WEST, 0.6)
    trace.run(125)
    left = {(one.kind, one.name): one.trips_in_s for one in nearing(trace)}
    assert left["trigger", "rate_5xx"] == 180.0
    trace.bad(WEST, 0.0)
    trace.run(60 + 60)
    assert not [one for one in nearing(trace) if one.name == "rate_5xx"]


def test_the_next_to_trip_comes_first() -> None:
    """Whatever its kind."""
    trace = Trace()
    trace.gauges["circuit_open", WEST, "primary"] = 1.0
    trace.bad(WEST, 0.6)
    trace.run(65)
    left = [one.trips_in_s for one in nearing(trace)]
    assert left == sorted(left)
    assert len({one.name for one in nearing(trace)}) == 2
    assert trace.t_s == T0 + 65
