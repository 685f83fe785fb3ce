"""Whether the rig was fit to judge by: its schedule, its late starts, its loop lag."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_evaluate import CONTRACT, WINDOW, histogram, line, samples_of

from muster.judge.rig import judge_rig
from muster.samples.series import Samples, series_of
from muster.samples.windows import Window

RULES = CONTRACT.load_validity
LAG_EDGES = (0.01, 0.1, 0.2, 5.0)


def load(scheduled=1000, offered=1000, late=0):
    return [
        line("client_scheduled", "s_total", {}, scheduled),
        line("client_offered", "o_total", {}, offered),
        line("client_late", "l_total", {}, late),
    ]


def lag(*loops, component="load", edges=LAG_EDGES, **labels):
    """Pairs of how many loops and how many seconds they lagged."""
    seconds = [s for n, s in loops for _ in range(n)]
    return histogram("rig_lag", seconds, edges, component=component, **labels)


def judged(*series):
    return judge_rig(samples_of(*series), WINDOW, "dark", RULES)


def offered(*series):
    [finding] = [f for f in judged(*series).findings if f.slo == "load_offered"]
    return finding


@pytest.mark.parametrize(
    ("scheduled", "started", "status"),
    [
        (1000, 990, "pass"),
        (1000, 989, "unknown"),
        (1000, 1010, "pass"),
        (1000, 1011, "unknown"),
        (50, 48, "pass"),
        (50, 47, "unknown"),
        (300, 297, "pass"),
    ],
)
def test_a_load_off_its_schedule_proves_nothing(scheduled, started, status):
    """By more than 1 % of it, or two arrivals; short of it or beyond."""
    finding = offered(*load(scheduled, started))
    assert (finding.status, finding.source, finding.phase) == (status, "client", "dark")
    assert finding.reason == ("" if status == "pass" else "the load left its schedule")


def test_a_schedule_says_what_was_offered_of_it():
    """Percent of the schedule against the floor of 99."""
    finding = offered(*load(3000, 2980))
    assert (finding.measured, finding.threshold, finding.margin) == (99.333, 99.0, 0.333)
    assert (finding.unit, finding.samples, finding.window) == ("%", 2980, (0.0, 60.0))
    assert (finding.tier, finding.region) == (None, None)


@pytest.mark.parametrize("gone", ["client_scheduled", "client_offered"])
def test_a_schedule_that_nobody_saw_is_unknown(gone):
    """And so is a schedule of nothing."""
    finding = offered(*[one for one in load() if one.signal != gone])
    assert (finding.status, finding.reason, finding.measured) == ("unknown", "no data", None)
    assert finding.margin is None
    assert finding.samples == (None if gone == "client_offered" else 1000)
    assert offered(*load(0, 0)).status == "unknown"


@pytest.mark.parametrize(("late", "slow"), [(50, ""), (51, "5.1 % of arrivals started late")])
def test_arrivals_that_started_late_make_the_load_slow(late, slow):
    """More than 5 % of those that were started."""
    assert judged(*load(1000, 1000, late)).slow == slow
    assert judged(*load(1005, 1000, late)).slow == slow


@pytest.mark.parametrize(
    ("offered", "slow"),
    [
        (990, ""),
        (989, "98.9 % of the scheduled arrivals were offered"),
        (1011, "101.1 % of the scheduled arrivals were offered"),
        (0, "0.0 % of the scheduled arrivals were offered"),
    ],
)
def test_a_load_off_its_schedule_broke_its_limits(offered, slow):
    """By more than 1 %, either way; one that nobody saw did not."""
    assert judged(*load(1000, offered)).slow == slow
    assert judged(*load(1000, offered)[:1]).slow == ""


def test_late_starts_that_nobody_counted_excuse_nothing():
    """Nor those of nothing."""
    assert judged(*load()[:2]).slow == ""
    assert judged(load(late=900)[2]).slow == ""
    assert judged(*load(0, 0, 9)).slow == ""


def test_one_late_beat_alone_breaks_no_limit():
    """Of fewer than a hundred beats one is over 1 %: it takes two."""
    assert judged(*lag((40, 0.005), (1, 3.0))).slow == ""
    assert judged(*lag((40, 0.005), (2, 3.0))).slow == "load lagged: p99 at or under 5000 ms"
    assert judged(*lag((1, 9.0))).slow == ""
    assert judged(*lag((2, 9.0))).slow == "load lagged: p99 over 5000 ms"


def lags(*series):
    return {f.source: f for f in judged(*series).findings if f.slo == "load_loop_lag"}


def test_loop_lag_is_the_edge_under_which_99_of_100_lie():
    """100 ms are allowed; the next edge is over it, and excuses a failing latency."""
    found = lags(*lag((99, 0.05), (1, 3.0)))["load"]
    assert (found.status, found.reason, found.bracket) == ("pass", "", (10.0, 100.0))
    assert (found.measured, found.margin) == (None, None)
    assert (found.threshold, found.unit, found.samples) == (100.0, "ms", 100)
    assert (found.phase, found.window, found.tier, found.region) == ("dark", (0, 60), None, None)
    assert judged(*lag((99, 0.05), (1, 3.0))).slow == ""
    slow = lag((98, 0.05), (2, 0.15))
    found = lags(*slow)["load"]
    assert (found.status, found.bracket, found.margin) == ("pass", (100.0, 200.0), None)
    assert "over the limit" in found.reason
    assert judged(*slow).slow == "load lagged: p99 at or under 200 ms"


def test_loop_lag_past_the_top_edge_is_over_it():
    """However high the limit: nobody knows how far."""
    assert judged(*lag((98, 0.05), (2, 9.0))).slow == "load lagged: p99 over 5000 ms"
    low = lag((98, 0.01), (2, 9.0), edges=(0.01, 0.05))
    assert judged(*low).slow == "load lagged: p99 over 50 ms"
    assert lags(*low)["load"].bracket == (50.0, None)
    assert "over the limit" in lags(*low)["load"].reason


def test_every_part_of_the_rig_is_judged_and_the_load_always():
    """The first slow one is named."""
    both = [*lag((100, 0.15), component="provider"), *lag((100, 0.15), component="gateway")]
    found = lags(*both)
    assert [(name, f.status) for name, f in found.items()] == [
        ("gateway", "pass"),
        ("load", "unknown"),
        ("provider", "pass"),
    ]
    assert judged(*both).slow == "gateway lagged: p99 at or under 200 ms"
    missing = found["load"]
    assert (missing.reason, missing.measured, missing.margin) == ("no data", None, None)
    assert missing.samples is None


def test_each_part_of_the_rig_has_buckets_of_its_own():
    """A load that lags is not made good by others that do not; a nameless part is unknown."""
    others = lag((9000, 0.005), component="gateway")
    slow = judged(*others, *lag((100, 0.15)))
    assert slow.slow == "load lagged: p99 at or under 200 ms"
    nameless = [replace(one, labels={"le": "5"}) for one in lag((100, 0.05))[3:4]]
    found = lags(*nameless, *lag((100, 0.05)))
    assert {name: f.status for name, f in found.items()} == {"": "unknown", "load": "pass"}
    no_edge = line("rig_lag", "x_bucket", {"component": "load"}, 100)
    assert lags(no_edge, *lag((100, 0.05)))["load"].bracket == (10.0, 100.0)


def test_a_lag_of_which_a_part_is_missing_is_unknown():
    """A bucket without its end, no buckets, no count, or no loop at all."""
    whole = lag((100, 0.05))
    short = [
        replace(one, t=one.t[:30], v=one.v[:30]) if one.labels.get("le") == "5" else one
        for one in whole
    ]
    for series in (short, whole[-1:], whole[:-1], lag()):
        finding = lags(*series)["load"]
        assert (finding.status, finding.reason) == ("unknown", "no data")


def test_a_lag_bucket_that_shows_up_late_began_at_zero():
    """Its siblings were there from the start; several processes are one part."""
    late = [
        replace(one, t=one.t[9:], v=one.v[9:]) if one.labels.get("le") == "5" else one
        for one in lag((100, 0.05))
    ]
    assert lags(*late)["load"].status == "pass"
    two = [*lag((100, 0.005), instance="a"), *lag((2, 0.15), instance="b")]
    assert (lags(*two)["load"].bracket, lags(*two)["load"].samples) == ((100.0, 200.0), 102)


def counted(signal, points):
    return series_of(signal, f"{signal}_total", {"instance": "l"}, points)


@pytest.mark.parametrize(
    ("after", "status"),
    [(1000, "pass"), (995, "pass"), (980, "unknown"), (950, "unknown")],
)
def test_arrivals_that_start_just_after_a_window_were_late_and_not_left_out(after, status):
    """Fifty were due at its end: those that were made up for at once count, others are missing."""
    due = counted("client_scheduled", [(t, 10 * min(t, 100)) for t in range(0, 111)])
    begun = [(t, 10 * t) for t in range(0, 96)] + [(t, 950) for t in range(96, 101)]
    late = counted("client_offered", [*begun, *((t, after) for t in range(101, 111))])
    [finding] = [
        f
        for f in judge_rig(
            Samples({"client_scheduled": (due,), "client_offered": (late,)}),
            Window(0.0, 100.0, 4.0),
            "dark",
            RULES,
        ).findings
        if f.slo == "load_offered"
    ]
    assert finding.status == status, finding


def test_a_backlog_of_the_window_before_is_not_offered_twice():
    """More than was scheduled was offered here, since the last window's late ones came."""
    due = counted("client_scheduled", [(t, 10 * t) for t in range(0, 111)])
    points = [(t, 10 * t if t > 51 else min(10 * t, 450)) for t in range(111)]
    begun = counted("client_offered", points)
    found = judge_rig(
        Samples({"client_scheduled": (due,), "client_offered": (begun,)}),
        Window(50.0, 100.0, 4.0),
        "dark",
        RULES,
    )
    assert (found.findings[0].status, found.slow) == ("pass", "")
