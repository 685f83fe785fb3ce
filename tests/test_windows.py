"""Growth of counters over windows: exact, or unknown; never a guess."""

from __future__ import annotations

from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.samples.series import SampleWriter, read_samples, series_of
from muster.samples.streaming import CounterStream
from muster.samples.windows import Absence, Window, at, growth, total_growth

STALE_S = 4.0


def counter(points, **labels):
    return series_of("requests", "requests_total", labels, points)


def steady(start=0, stop=120, per_s=10, base=500.0, step=1):
    return [(float(t), base + per_s * (t - start)) for t in range(start, stop + 1, step)]


def grown(points, start_s, end_s, first_scrape_s=0.0, absences=(), **labels):
    return growth(
        counter(points, **labels), Window(start_s, end_s, STALE_S, absences), first_scrape_s
    )


def test_growth_is_between_the_last_samples_at_or_before_the_ends():
    """Samples at 0, 1, 2 …: from 10.5 to 20.5 is what 10 and 20 show."""
    assert grown(steady(), 10.5, 20.5) == 100.0


def test_a_restart_counts_from_zero():
    """500 more, a new process, 30 more: 530, not minus."""
    points = [*steady(0, 50), *[(51.0 + t, 10.0 * t) for t in range(4)]]
    assert grown(points, 0, 54) == 500 + 30


def test_a_missing_end_is_unknown():
    """No sample within four scrapes of either end."""
    assert grown(steady(0, 50), 10, 55) is None
    assert grown(steady(20, 120), 10, 60, first_scrape_s=20) is None
    hole = [(t, v) for t, v in steady() if not 55 < t < 66]
    assert grown(hole, 10, 60) is None
    assert grown(hole, 60, 100) is None
    assert grown(hole, 10, 100) == 900.0


def test_the_end_may_be_as_old_as_the_contract_allows_and_no_older():
    """Four scrapes, to the second."""
    assert grown(steady(0, 56), 10, 60) == 460.0
    assert grown(steady(0, 55), 10, 60) is None


def test_a_process_that_starts_late_began_at_zero():
    """Its siblings were being scraped already."""
    assert grown(steady(30, 120, base=40), 10, 60, first_scrape_s=0) == 340.0


def test_a_process_declared_gone_keeps_its_last_value():
    """And without the declaration its end is unknown."""
    absence = (Absence("west", 49.0, 90.0),)
    assert grown(steady(0, 50), 10, 80, absences=absence, region="west") == 400.0
    assert grown(steady(0, 50), 60, 80, absences=absence, region="west") == 0.0
    assert grown(steady(0, 50), 10, 80, absences=absence, region="east") is None
    assert grown(steady(0, 50), 10, 95, absences=absence, region="west") is None


def test_duplicate_and_disordered_samples_change_nothing():
    """The file's order and doubles do not matter."""
    points = steady()
    mixed = [*points[60:], *points[:70], points[3], points[119]]
    assert grown(mixed, 10, 110) == grown(points, 10, 110)


def test_nan_at_an_end_is_unknown():
    """A value that was not a number is no zero."""
    points = [(t, float("nan") if t == 60 else v) for t, v in steady()]
    assert grown(points, 10, 60) is None
    assert grown(points, 60, 100) is None
    assert grown(points, 10, 100) == 900.0


def test_no_series_is_unknown():
    """Nothing is not zero."""
    assert total_growth([], Window(0, 10, STALE_S)) is None
    assert total_growth([counter([])], Window(0, 10, STALE_S)) is None


def test_one_unknown_makes_the_sum_unknown():
    """A sum with a hole in it is no sum."""
    whole, short = counter(steady(), instance="a"), counter(steady(0, 50), instance="b")
    assert total_growth([whole, short], Window(10, 60, STALE_S)) is None
    assert total_growth([whole, short], Window(10, 50, STALE_S)) == 800.0


def test_a_gauges_value_is_its_last_fresh_sample():
    """Older than stale is unknown."""
    series = counter(steady(0, 50))
    assert at(series, 53.0, STALE_S) == at(series, 54.0, STALE_S) == 1000.0
    assert at(series, 54.1, STALE_S) is None
    assert at(series, -1.0, STALE_S) is None


@st.composite
def histories(draw):
    """Increments a second at a pace, with restarts as fast as processes start: (time, value)."""
    value, points, ago_s = float(draw(st.integers(0, 1000))), [], 0
    pace = draw(st.integers(0, 50))
    for second, step in enumerate(draw(st.lists(st.integers(0, pace), min_size=12, max_size=60))):
        ago_s += 1
        if ago_s > STALE_S + 1 and draw(st.integers(0, 9)) == 0:
            value, ago_s = 0.0, 0
        value += pace + step
        points.append((float(second), value))
    return points


@given(histories(), st.data())
def test_splitting_a_window_and_merging_it_again_gives_the_same(points, data):
    """Windows that meet share their moment, so the parts add up to the whole."""
    end = len(points) - 1
    cut = data.draw(st.floats(0, end, allow_nan=False))
    parts = [grown(points, 0, cut), grown(points, cut, end)]
    # A part of a sample or two shows no pace, by which its restart could be believed.
    if None not in parts:
        assert sum(parts) == pytest.approx(grown(points, 0, end))
    else:
        assert cut < 3 or end - cut < 3


@given(histories(), st.data())
def test_removing_interior_scrapes_changes_nothing_without_restarts(points, data):
    """Only a window's ends matter to a counter."""
    total, rising = 0.0, []
    for t, v in points:
        total += v
        rising.append((t, total))
    keep = data.draw(st.sets(st.integers(1, len(points) - 2)))
    thinned = [p for i, p in enumerate(rising) if i in keep or i in (0, len(points) - 1)]
    whole = Window(0, len(points) - 1, STALE_S)
    assert growth(counter(thinned), whole, 0.0) == pytest.approx(
        growth(counter(rising), whole, 0.0)
    )


@given(histories(), st.data())
def test_removing_scrapes_never_makes_growth_larger(points, data):
    """A restart that nobody saw can only hide growth: so bad counts and totals fall together."""
    keep = data.draw(st.sets(st.integers(0, len(points) - 1)))
    thinned = [p for i, p in enumerate(points) if i in keep]
    before = grown(points, 0, len(points) - 1)
    after = growth(counter(thinned), Window(0, len(points) - 1, STALE_S), 0.0)
    assert after is None or after <= before or thinned[0][0] > 0


@given(histories(), st.sets(st.integers(0, 59)), st.integers(3, 20))
def test_streaming_windows_are_the_same_as_judged_ones(points, drop, length):
    """The guard's arithmetic is the verdict's."""
    kept = [p for i, p in enumerate(points) if i not in drop]
    bounds = np.arange(0.0, len(points), length)
    if len(bounds) < 2:
        return
    stream = CounterStream(began_at_zero=False, stale_s=STALE_S)
    streamed: list[float | None] = []
    for start, end in pairwise(bounds):
        fresh = [p for p in kept if (p[0] <= end) and (p[0] > start or start == 0)]
        stream.add([t for t, _ in fresh], [v for _, v in fresh])
        streamed.append(stream.close(start, end))
    for start, end, got in zip(bounds, bounds[1:], streamed, strict=False):
        first = kept[0][0] if kept else 0.0
        wanted = growth(counter(kept), Window(start, end, STALE_S), first) if kept else None
        assert (wanted is None and got is None) or wanted == pytest.approx(got)


def test_samples_survive_the_bundle(tmp_path):
    """Chunks in any order, doubles, NaN: read back sorted, one sample a time, NaN unknown."""
    writer = SampleWriter(tmp_path / "samples.jsonl")
    writer.append("requests", "r_total", {"region": "west"}, [3.0, 4.0], [30.0, None])
    writer.append("requests", "r_total", {"region": "west"}, [1.0, 2.0, 3.0], [10.0, 20.0, 31.0])
    writer.append("requests", "r_total", {"region": "east"}, [1.0], [5.0])
    samples = read_samples(tmp_path / "samples.jsonl")
    assert not samples.torn
    (west,) = samples.of("requests", region="west")
    assert west.t.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert west.v.tolist()[:3] == [10.0, 20.0, 30.0]
    assert isnan(west.v[3])


@pytest.mark.parametrize(
    "line",
    [
        b'{"i":0,"t":[1,2],"v":[1]}\n',
        b'{"i":7,"t":[1],"v":[1]}\n',
        b'{"i":0,"t":["x"],"v":[1]}\n',
        b'{"i":0,"t":[1],"v":["x"]}\n',
        b"[]\n",
        b'{"i":0,"t":[3],"v":[3]}',
        b'{"i":0,"t":[3],"v"',
    ],
)
def test_a_line_that_makes_no_sense_is_told(tmp_path, line):
    """Torn samples are known to be torn, and the rest is still read."""
    path = tmp_path / "samples.jsonl"
    SampleWriter(path).append("requests", "r_total", {}, [1.0, 2.0], [1.0, 2.0])
    path.write_bytes(path.read_bytes() + line)
    samples = read_samples(path)
    assert samples.torn
    assert samples.of("requests")[0].v.tolist()[:2] == [1.0, 2.0]


def test_a_counter_that_began_at_zero_shows_its_first_value_as_growth():
    """Before its first sample it stood at 0; a later window knows nothing of that."""
    stream = CounterStream(began_at_zero=True, stale_s=STALE_S)
    stream.add([12.0, 19.0], [5.0, 7.0])
    assert stream.close(0.0, 10.0) == 0.0
    assert stream.close(10.0, 20.0) == 7.0
    assert stream.close(20.0, 30.0) is None
    unknown = CounterStream(began_at_zero=False, stale_s=STALE_S)
    unknown.add([12.0, 19.0], [5.0, 7.0])
    assert unknown.close(0.0, 10.0) is None
    assert unknown.close(10.0, 20.0) is None


def test_a_stream_takes_late_and_double_samples():
    """Of those with the same time the first counts; NaN is left out."""
    stream = CounterStream(began_at_zero=False, stale_s=STALE_S)
    stream.add([1.0, 3.0], [1.0, 30.0])
    stream.add([2.0, 3.0, 4.0, 5.0], [20.0, 31.0, None, float("nan")])
    assert stream.newest_s == 3.0
    assert stream.close(1.0, 3.0) == 29.0
    stream.add([6.0], [33.0])
    assert stream.close(3.0, 6.0) == 3.0


def test_streaming_a_restart_after_a_long_gap_makes_the_start_known():
    """What the old process last showed can not matter; a value that rose may hide a restart."""
    restarted = CounterStream(began_at_zero=False, stale_s=STALE_S)
    restarted.add([0.0, 30.0, 38.0, 40.0], [500.0, 3.0, 8.0, 9.0])
    assert restarted.close(10.0, 20.0) is None
    assert restarted.close(20.0, 40.0) == 9.0
    risen = CounterStream(began_at_zero=False, stale_s=STALE_S)
    risen.add([0.0, 30.0, 38.0, 40.0], [500.0, 503.0, 508.0, 509.0])
    assert risen.close(10.0, 20.0) is None
    assert risen.close(20.0, 40.0) is None
    assert risen.close(40.0, 44.0) == 0.0


def test_streaming_one_sample_is_a_start_and_an_end():
    """It stands for both while it is fresh."""
    stream = CounterStream(began_at_zero=False, stale_s=STALE_S)
    stream.add([10.0], [5.0])
    assert stream.close(10.0, 14.0) == 0.0
    assert stream.close(14.0, 14.5) is None


def late(base, per_s, since=30, until=120):
    """A counter first scraped at `since`, with `base` on it."""
    return [(float(t), base + per_s * (t - since)) for t in range(since, until + 1)]


def test_an_old_process_that_was_out_of_sight_brings_none_of_its_past():
    """A million answers from before the drill would hide any failure in it."""
    whole = Window(10, 60, STALE_S)
    seen = counter(steady(), instance="a")
    old, new = counter(late(1e6, 10), instance="b"), counter(late(40, 10), instance="b")
    assert total_growth([seen, old], whole) is None
    assert total_growth([seen, new], whole) == 500 + 340
    assert total_growth([seen, counter(late(81, 10), instance="b")], whole) is None
    assert total_growth([seen, counter(late(80, 10), instance="b")], whole) == 500 + 380
    assert total_growth([seen, old], Window(40, 60, STALE_S)) == 200 + 200


def test_a_label_that_first_happens_late_counts_from_zero():
    """300 failures in one scrape of a process that was being scraped all the time."""
    good = counter(steady(), instance="a", code="200")
    burst = counter(late(300, 0), instance="a", code="500")
    whole = Window(10, 60, STALE_S)
    assert total_growth([burst], whole, siblings=[good, burst]) == 300
    other = counter(late(300, 0), instance="b", code="500")
    assert total_growth([other], whole, siblings=[good, other]) is None
    few = counter(late(10, 0), instance="b", code="500")
    assert total_growth([few], whole, siblings=[good, few]) == 10


@pytest.mark.parametrize(("base", "grown"), [(40.0, 340.0), (81.0, None), (1e6, None)])
def test_streaming_believes_a_new_process_as_judging_does(base, grown):
    """The same first value, the same answer; a process seen before is asked nothing."""
    points = late(base, 10, until=60)
    for seen, wanted in ((False, grown), (True, base + 300)):
        stream = CounterStream(began_at_zero=True, stale_s=STALE_S, process_seen=seen)
        stream.add([t for t, _ in points], [v for _, v in points])
        assert stream.close(0, 60) == wanted


def test_a_restart_after_a_gap_makes_the_start_known_and_nothing_else_does():
    """What the old process last showed can not matter, if the new one shows less."""
    before = [(float(t), 500.0) for t in range(40)]
    for first, wanted in ((3.0, 3.0 + 10), (500.0, None), (700.0, None)):
        points = [*before, *[(50.0 + t, first + t) for t in range(11)]]
        assert grown(points, 45, 60) == wanted
        stream = CounterStream(began_at_zero=False, stale_s=STALE_S)
        stream.add([t for t, _ in points], [v for _, v in points])
        stream.close(0, 45)
        assert stream.close(45, 60) == wanted
    falling = [(38.0, 400.0), (39.0, 500.0), (50.0, 25.0), (60.0, 35.0)]
    assert grown(falling, 45, 60) == 35.0
    assert grown([*falling[:2], (50.0, 450.0), (60.0, 460.0)], 45, 60) is None


def test_a_region_is_gone_at_the_very_ends_of_its_absence():
    """From its declaration to the moment it is back, both included."""
    absence = Absence("west", 10.0, 20.0)
    seen = [absence.covers("west", t) for t in (9.9, 10.0, 20.0, 20.1)]
    assert seen == [False, True, True, False]


def test_a_new_process_counts_at_a_pace_by_the_second():
    """Scrapes of ten seconds, or one alone: the bound is what it did a second."""
    slow = [(10.0 * n, 300.0 + 10 * n) for n in range(1, 7)]
    seen = counter(steady(), instance="a")
    assert total_growth([seen, counter(slow, instance="b")], Window(5, 60, 20.0)) is None
    alone = counter([(59.0, 30.0)], instance="b")
    assert total_growth([seen, alone], Window(5, 60, 20.0)) is None


def streamed(points, *windows, began=False):
    stream = CounterStream(began_at_zero=began, stale_s=STALE_S)
    stream.add([t for t, _ in points], [v for _, v in points])
    return [stream.close(start, end) for start, end in windows]


def test_streaming_takes_no_sample_of_the_next_window():
    """The one after the end, and a restart right behind the start."""
    points = [(float(t), 5.0 * t) for t in range(1, 21)]
    assert streamed(points, (0, 10), (10, 20), began=True) == [50.0, 50.0]
    equal = [(0.0, 5.0), (1.0, 5.0), (2.0, 7.0), (3.0, 0.0), (4.0, 0.0), (5.0, 1.0)]
    assert streamed(equal, (0, 3), (3, 5)) == [2.0, 1.0]
    two = [(0.0, 9.0), (1.0, 4.0)]
    assert streamed(two, (0, 1)) == [4.0]


def test_streaming_a_start_may_be_as_old_as_the_contract_allows():
    """Four seconds, to the second."""
    for gap_s, wanted in ((4.0, 10.0), (4.5, None)):
        points = [(0.0, 10.0), (10.0, 20.0), (10.0 + gap_s + 4, 30.0)]
        stream = CounterStream(began_at_zero=False, stale_s=STALE_S)
        stream.add([t for t, _ in points], [v for _, v in points])
        stream.close(0, 10 + gap_s)
        assert stream.close(10 + gap_s, 10 + gap_s + 4) == wanted


def test_streaming_a_counter_begins_at_zero_once():
    """When its start was lost later, it is unknown."""
    stream = CounterStream(began_at_zero=True, stale_s=STALE_S)
    stream.add([1.0], [5.0])
    assert stream.close(0, 1) == 5.0
    stream.add([30.0], [9.0])
    assert stream.close(1, 20) is None
    assert stream.close(20, 30) is None


def test_streaming_a_sample_that_comes_too_late_changes_nothing():
    """Older than what was let go, twice the same time, NaN and none in between."""
    stream = CounterStream(began_at_zero=False, stale_s=STALE_S)
    stream.add([0.0, 1.0, 2.0], [0.0, 10.0, 20.0])
    assert stream.close(0, 2) == 20.0
    stream.add([1.5, 2.0, 3.0], [99.0, 99.0, 30.0])
    assert stream.close(2, 3) == 10.0
    stream.add([5.0, 4.0, 5.0], [50.0, 40.0, 99.0])
    stream.add([5.5, 6.0, 7.0], [float("nan"), None, 70.0])
    stream.add([], [])
    assert stream.newest_s == 7.0
    assert stream.close(3, 7) == 40.0


def test_a_label_that_happens_later_had_not_happened_before():
    """The first 500 of a drill is in its own phase; in the phases before it there was none."""
    good = counter(steady(0, 300), instance="a", code="200")
    known = counter([(200.0 + t, 1.0 + t) for t in range(101)], instance="a", code="500")
    new = counter([(200.0 + t, 10.0 * t) for t in range(101)], instance="b", code="200")
    old = counter([(200.0 + t, 1e6 + t) for t in range(101)], instance="b", code="200")
    for one, wanted in ((known, [0.0, 1.0, 51.0]), (new, [0.0, 0.0, 500.0]), (old, [None] * 3)):
        both = [good, one]
        grown = [
            total_growth([one], Window(start, end, STALE_S), siblings=both)
            for start, end in ((0, 100), (100, 200), (150, 250))
        ]
        assert grown == wanted
    assert total_growth([good, known], Window(0, 100, STALE_S)) == 1000.0
    assert total_growth([known], Window(0, 100, STALE_S)) is None


def test_one_sample_in_a_window_is_enough_and_none_is_not():
    """Its end may be the sample at its start, for as long as that may stand."""
    points = [(9.0, 100.0), (12.0, 130.0)]
    assert grown(points, 10, 12) == grown(points, 10, 16) == 30.0
    assert grown(points, 10, 16.5) is None
    assert grown([(12.0, 7.0)], 10, 13, first_scrape_s=0.0) == 7.0
    whole = steady(0, 50)
    assert grown(whole, 50, 53) == grown(whole, 50, 54) == 0.0
    assert grown(whole, 50, 54.5) is grown(whole, 50, 60) is None
    assert grown([(9.0, 100.0), (11.0, float("nan")), (12.0, 130.0)], 10, 12) == 30.0
    assert grown(whole, 54, 60) is None


def test_a_start_may_be_as_old_as_the_contract_allows():
    """Four seconds, to the second."""
    hole = [(t, v) for t, v in steady() if not 46 < t < 55]
    assert grown(hole, 50, 60) == 1100.0 - 960.0
    assert grown(hole, 50.5, 60) is None


def test_a_series_that_begins_with_its_siblings_has_an_unknown_past():
    """Or as the first of them: right at the window's start, or in it."""
    for first_s in (10.0, 20.0):
        one = counter([(first_s + t, 5.0 + t) for t in range(60)], instance="a")
        other = counter([(first_s + t, 5.0 + t) for t in range(60)], instance="b")
        window = Window(9.0, 60.0, STALE_S)
        assert total_growth([one, other], window) is None
        assert total_growth([one], window) is None
        earlier = counter([(first_s - 5 + t, 5.0 + t) for t in range(66)], instance="c")
        assert total_growth([one], window, siblings=[one, earlier]) == 5.0 + 60 - first_s
