"""What a latency's finding rests on: edges, samples, shares, and requests that are still open."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from test_evaluate import EDGES, WINDOW, histogram, line, open_over, samples_of

from muster.judge.latency import Latency, judge_latency
from muster.samples.histograms import unit_of
from muster.samples.series import series_of
from muster.samples.windows import Absence

AROUND = (1.0, 1.9, 2.1, 4.0)
"""Edges on either side of the threshold of 2 s."""


def judged(*series, required=False, window=WINDOW):
    return judge_latency(
        samples_of(*series),
        window,
        histogram="first_token",
        open_signal="open_over",
        open_phase="first_token",
        open_required=required,
        threshold_s=2.0,
        percentile=Fraction(95, 100),
    )


def timed(*latencies, edges=AROUND):
    """Pairs of how many and how many seconds."""
    return histogram("first_token", [s for n, s in latencies for _ in range(n)], edges)


@pytest.mark.parametrize(
    ("series", "found"),
    [
        (timed((95, 1.0), (5, 3.0), edges=EDGES), ("pass", "", (0.9, 1.0), 100, 95.0)),
        (timed((100, 1.0), edges=EDGES), ("pass", "", (0.9, 1.0), 100, 100.0)),
        (timed((50, 1.0), (50, 3.0)), ("fail", "", (2.1, 4.0), 100, 50.0)),
        (timed((40, 2.0)), ("unknown", "p95 lies between 1.9 and 2.1 s", (1.9, 2.1), 40, 0.0)),
        (timed((20, 2.0)), ("unknown", "p95 lies between 1.9 and 2.1 s", (1.9, 2.1), 20, 0.0)),
        (
            timed((19, 2.0)),
            ("unknown", "19 samples, at least 20 are needed to decide", (1.9, 2.1), 19, 0.0),
        ),
        (
            timed(edges=EDGES),
            ("unknown", "0 samples, at least 20 are needed to decide", None, 0, None),
        ),
        (
            timed((40, 0.1), edges=(2.5, 3.0)),
            ("unknown", "p95 lies between its edges", (0.0, 2.5), 40, None),
        ),
        (timed((40, 1.0), edges=(2.0,)), ("pass", "", (0.0, 2.0), 40, 100.0)),
        (timed((40, 60.0), edges=(0.5, 1.0, 2.0)), ("fail", "", (2.0, None), 40, 0.0)),
        (
            timed((40, 0.1), edges=(0.5, 1.9)),
            ("unknown", "no histogram edge at or above the threshold", None, None, None),
        ),
        (timed((40, 0.1))[-1:], ("unknown", "no data", None, None, None)),
        ([], ("unknown", "no data", None, None, None)),
    ],
)
def test_a_latency_says_what_it_rests_on(series, found):
    """Status, reason, the edges around its p95, samples, and the share at or under T."""
    assert judged(*series) == Latency(*found)


def lost(series, le):
    """The same without the end of one bucket."""
    return [
        replace(one, t=one.t[:30], v=one.v[:30]) if one.labels.get("le") == le else one
        for one in series
    ]


def test_a_bucket_of_which_the_end_is_missing_decides_nothing():
    """Neither the one below T nor the one above it; others do not need it."""
    for le in ("1.9", "2.1"):
        found = judged(*lost(timed((30, 1.0), (10, 2.0)), le))
        assert (found.status, found.bracket) == ("unknown", None)
        assert found.share_under_pct == (None if le == "1.9" else 75.0)
    assert found.reason == "no data"
    assert judged(*lost(timed((40, 1.0)), "2.1")).status == "pass"
    assert judged(*lost(timed((40, 1.0), edges=EDGES), "2")).status == "unknown"


def test_a_process_that_shows_only_a_part_of_its_histogram_is_told():
    """Each process must show each bucket that another one shows."""
    both = [
        replace(one, labels={**one.labels, "instance": name})
        for name in "ab"
        for one in timed((40, 1.0))
    ]
    assert judged(*both) == Latency("pass", "", (0.0, 1.0), 80, 100.0)
    for gone in range(len(both)):
        found = judged(*both[:gone], *both[gone + 1 :])
        assert found == Latency(
            "unknown", "a process exports only a part of its histogram", None, None, None
        )


def test_a_bucket_that_shows_up_later_than_its_siblings_began_at_zero():
    """Its first latency was that long."""
    series = timed((40, 1.0))
    late = [
        replace(one, t=one.t[5:], v=one.v[5:]) if one.labels.get("le") == "1.9" else one
        for one in series
    ]
    assert judged(*late).status == "pass"


# Requests that are still open


def still(points, le="2", phase="first_token", **labels):
    return series_of("open_over", "o", {"phase": phase, "le": le, **labels}, points)


def over(*series, absences=()):
    """How many are counted as over T because they are still open."""
    found = judged(*timed((100, 1.0)), *series, window=replace(WINDOW, absences=absences))
    return None if found.total is None else found.total - 100


ENDS = ((0.0, 2.0), (60.0, 5.0))


def test_what_is_open_past_the_threshold_is_the_change_over_the_window():
    """What was open at its start belongs to an earlier one; the sum over all processes."""
    assert over() == 0
    assert over(still(ENDS)) == 3
    assert over(still(ENDS, instance="a"), still([(0.0, 0.0), (60.0, 4.0)], instance="b")) == 7
    assert over(still([(0.0, 9.0), (60.0, 5.0)])) == -4


def test_only_what_is_open_past_this_threshold_of_this_phase_counts():
    """Others open for other lengths, or waiting for their end."""
    assert over(still(ENDS), still([(0.0, 0.0), (60.0, 50.0)], phase="completion")) == 3
    assert over(still(ENDS), still([(0.0, 0.0), (60.0, 50.0)], le="2.5")) == 3
    assert over(still(ENDS), still([(0.0, 0.0), (60.0, 50.0)], le="+Inf")) == 3
    assert over(still([(0.0, 0.0), (60.0, 50.0)], phase="completion")) == 0


def test_the_load_must_show_what_is_open():
    """And says which signal is missing."""
    found = judged(*timed((100, 1.0)), required=True)
    assert found == Latency("unknown", "no data of open_over", None, None, None)
    found = judged(*timed((100, 1.0)), *open_over("open_over", "first_token", 0), required=True)
    assert found.status == "pass"


def test_a_process_that_started_in_the_window_had_none_open():
    """One sample is enough, at its end; one at the start is the start's."""
    assert over(still([(60.0, 5.0)])) == 5
    assert over(still([(30.0, 2.0), (60.0, 5.0)])) == 5
    assert over(still([(30.0, 2.0)])) is None
    assert over(still([])) is None


def test_a_region_that_is_dark_has_none_open():
    """At the end its streams went with it; at the start it had none. Others still count."""
    dark = still([(0.0, 2.0), (20.0, 9.0)], region="west")
    other = still(ENDS, region="east")
    assert over(dark, other) is None
    assert over(dark, other, absences=(Absence("west", 20.0, 90.0),)) == 3
    assert over(dark, other, absences=(Absence("east", 20.0, 90.0),)) is None
    lit = still([(-20.0, 9.0), (40.0, 1.0), (60.0, 4.0)], region="west")
    assert over(lit, other) is None
    assert over(lit, other, absences=(Absence("west", -20.0, 40.0),)) == 4 + 3


@pytest.mark.parametrize("le", [None, "", "NaN", "1s", "two", "1,5"])
def test_an_edge_that_is_no_number_is_unknown(le):
    """Beside edges that are; `inf` is a number."""
    labels = {} if le is None else {"le": le}
    found = judged(*timed((100, 1.0)), line("first_token", "x_bucket", labels, 100))
    assert found.status == "unknown"
    endless = relabelled(timed((100, 1.0)), "+Inf", "inf")
    assert judged(*endless).status == "pass"


def relabelled(series, le, written, **more):
    """The series, one edge written otherwise."""
    return [
        replace(one, labels={**one.labels, **more} | ({"le": written} if at(one, le) else {}))
        for one in series
    ]


def at(one, le):
    return one.labels.get("le") == le


def test_one_and_one_point_nought_are_one_edge():
    """Of two processes they add up; of one process they are the same bucket, never two."""
    both = relabelled(timed((40, 1.0)), "1", "1.0", instance="a")
    both += relabelled(timed((40, 1.0)), "1", "1", instance="b")
    assert judged(*both) == Latency("pass", "", (0.0, 1.0), 80, 100.0)
    twice = timed((38, 1.0), (2, 3.0))
    more = [one for one in relabelled(twice, "1", "1.0") if at(one, "1.0")]
    assert judged(*twice, *more) == judged(*twice)
    assert judged(*twice, *more).total == 40
    # A store that writes edges anew in mid-drill: one bucket, whose old series ends.
    old = [replace(one, t=one.t[:30], v=one.v[:30]) if at(one, "1") else one for one in twice]
    new = [replace(one, t=one.t[30:], v=one.v[30:]) for one in more]
    assert judged(*old, *new) == judged(*twice)
    lying = [replace(one, v=one.v + 1) for one in more]
    assert judged(*twice, *lying).status == "unknown"


def altered(series, part, change):
    """The series, what is counted at one edge (or in all: `count`) changed at one scrape."""
    found = []
    for one in series:
        v = one.v.copy()
        if one.labels.get("le", "count") == part:
            v[len(v) // 2] = change(v[len(v) // 2])
        found.append(replace(one, v=v))
    return found


@pytest.mark.parametrize(
    ("part", "change", "says"),
    [
        ("count", lambda v: v + 1, "its count is"),
        ("count", lambda v: float("nan"), "it contains NaN"),
        ("2.1", lambda v: v - 1, 'at or under le="1.9", but'),
        ("1.9", lambda v: float("nan"), "it contains NaN"),
        ("+Inf", lambda v: v + 1, "its count is"),
    ],
)
def test_a_histogram_that_contradicts_itself_says_nothing(part, change, says):
    """Buckets that do not ascend, a count that is not its last bucket, NaN: at one scrape."""
    good = timed((100, 1.0))
    assert judged(*good).status == "pass"
    found = judged(*altered(good, part, change))
    assert found.status == "unknown"
    assert says in found.reason
    assert found.reason.startswith("first_token of ")


def test_a_bucket_that_falls_alone_is_no_restart():
    """All that one process counts restarts together, or nothing did."""
    good = timed((100, 1.0))

    def fallen(one):
        later = np.arange(len(one.v)) >= 30
        return replace(one, v=np.where(later, one.v - one.v[29], one.v))

    assert judged(*[fallen(one) if at(one, "1") else one for one in good]).status == "unknown"
    assert judged(*[fallen(one) for one in good]).status == "pass"


@pytest.mark.parametrize(
    ("top", "unit"),
    [
        (3600.0, ""),
        (3601.0, "milliseconds"),
        (3_600_000.0, "milliseconds"),
        (60_000_000.0, "microseconds"),
        (60_000_000_000.0, "nanoseconds"),
    ],
)
def test_a_top_edge_above_an_hour_is_not_in_seconds(top, unit):
    """Envoy's buckets go up to 3,600,000 milliseconds."""
    assert unit_of(top) == unit
    found = judged(*timed((100, 1.0), edges=(2.0, 4.0, top)))
    assert found.status == ("unknown" if unit else "pass")
    assert (unit in found.reason) if unit else not found.reason
