"""A queue's age and streams held where samples are few: first ones, last ones, dark regions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_evaluate import CONTRACT, judging, samples_of

from muster.judge.evaluate import streams_finding
from muster.judge.gauges import Held, QueueAge, judge_queue_age, mean_total
from muster.judge.phases import Phase
from muster.samples.series import series_of
from muster.samples.windows import Absence, Window

WEST = {"region": "west", "instance": "a"}
MINUTE = Window(0.0, 60.0, 4.0)
NAN = float("nan")


def queue(*points, **labels):
    return series_of("queue_age", "age", {**WEST, **labels}, [(float(t), v) for t, v in points])


def requests(since, base=0.0, instance="a"):
    points = [(float(t), base + 10.0 * (t - since)) for t in range(since, 61)]
    return series_of("requests", "r", {**WEST, "instance": instance}, points)


def judged(*series, window=MINUTE, scrape_s=1.0, absences=()):
    chosen = replace(window, absences=absences)
    return judge_queue_age(samples_of(*series), chosen, "west", 30.0, scrape_s)


def every(since=0, until=60, age=5.0):
    return [(t, age) for t in range(since, until + 1)]


def test_a_queue_says_its_worst_age_and_how_often_it_was_seen():
    """Over all processes, within the window; NaN was seen and says nothing."""
    a, b = queue(*every(-5, 70)), queue(*every(), instance="b")
    worse = queue(*[(t, 9.0 if t == 7 else 5.0) for t in range(61)], instance="c")
    assert judged(a) == QueueAge("pass", 5.0, 61, "")
    assert judged(a, b, worse) == QueueAge("pass", 9.0, 183, "")
    assert judged(queue(*every(age=31.0)), b) == QueueAge("fail", 31.0, 122, "")
    assert judged(queue(*[(t, NAN if t == 9 else 5.0) for t in range(61)])).scrapes == 61
    outside = queue((-1, 90.0), *every(), (61, 90.0))
    assert judged(outside).age_s_max == 5.0
    assert judged(queue(*every(age=0.0))) == QueueAge("pass", 0.0, 61, "")


def test_a_queue_at_its_limit_holds():
    """30 s; a sample at either end of the window counts."""
    assert judged(queue(*every(age=30.0))).status == "pass"
    for at in (0, 60):
        assert judged(queue(*[(t, 31.0 if t == at else 5.0) for t in range(61)])).status == "fail"


def test_a_queue_without_data_is_unknown_unless_its_region_is_dark_throughout():
    """From the window's start to its end."""
    assert judged() == QueueAge("unknown", None, 0, "no data")
    dark = (Absence("west", 0.0, 60.0),)
    assert judged(absences=dark) == QueueAge("not_judged", None, 0, "the region was dark")
    for half in (Absence("west", 0.0, 59.0), Absence("west", 1.0, 60.0), Absence("e", 0.0, 60.0)):
        assert judged(absences=(half,)).status == "unknown"


def test_a_region_that_is_stopped_a_moment_after_the_window_begins_was_dark():
    """Seen until just before and again after: no scrape falls between the two moments."""
    around = queue(*every(-30, -1), *every(63, 90))
    dark_from = {0.0: "not_judged", 1.0: "not_judged", 4.0: "not_judged", 5.0: "unknown"}
    for start_s, status in dark_from.items():
        dark = (Absence("west", start_s, 62.0),)
        assert judged(around, absences=dark).status == status, start_s
    assert judged(around).status == "unknown"
    early = (Absence("west", 1.0, 55.0),)
    assert judged(around, absences=early).status == "unknown"


def test_a_gap_says_how_long_it_was():
    """At the start, in between, at the end; the first of them."""
    assert judged(queue(*every(20))).reason == "no sample for the first 20 s"
    hole = queue(*every(0, 10), *every(50, 60))
    assert judged(hole) == QueueAge("unknown", 5.0, 22, "no sample for 40 s")
    assert judged(queue(*every(0, 20))).reason == "no sample for 40 s"
    assert judged(queue(), queue(*every(20), instance="b")).reason == "no sample for 60 s"
    assert judged(queue((30, NAN))) == QueueAge("unknown", None, 1, "no sample for 60 s")


def test_another_regions_queue_is_another_finding():
    """However old its jobs."""
    assert judged(queue(*every()), queue(*every(age=90.0), region="east")).age_s_max == 5.0


def test_times_are_those_of_the_window():
    """A minute that begins later is as long."""
    later = Window(1000.0, 1060.0, 4.0)
    late = queue(*every(1020, 1060))
    assert judged(late, window=later).reason == "no sample for the first 20 s"
    before = [(998, 900), (999, 900)]
    seen = streams([*before, *[(t, 100) for t in range(1000, 1061)]])
    assert mean_total(samples_of(seen), "client_streams", later, 1.0) == Held(100.0, 100.0)


def test_a_gap_is_bounded_by_the_age_before_it():
    """5 s and a gap of 25 are 30; a second more may be 31. What lies past the end is no gap."""
    assert judged(queue(*every(0, 10), *every(35, 60))).status == "pass"
    assert judged(queue(*every(0, 10), *every(36, 60))).status == "unknown"
    assert judged(queue(*every(0, 35))).status == "pass"
    assert judged(queue(*every(0, 34))).status == "unknown"
    assert judged(queue(*every(0, 50), (200, 0.0), (300, 0.0))).status == "pass"


def test_a_scrape_and_a_half_is_no_gap():
    """However old the job was."""
    old = [(t, 30.0) for t in range(0, 61, 2)]
    assert judged(queue(*old), scrape_s=4 / 3).status == "pass"
    assert judged(queue(*old), scrape_s=1.3).status == "unknown"


def test_a_gap_of_a_dark_region_is_none():
    """Where its middle is; the first sample may come late if it was dark at the start."""
    hole = queue(*every(0, 10), *every(50, 60))
    for start_s, end_s, status in ((30, 31, "pass"), (11, 29, "unknown"), (31, 49, "unknown")):
        absence = Absence("west", float(start_s), float(end_s))
        assert judged(hole, absences=(absence,)).status == status
    late = queue(*every(20))
    assert judged(late, absences=(Absence("west", -5.0, 18.0),)).status == "pass"
    assert judged(late, absences=(Absence("east", -5.0, 18.0),)).status == "unknown"
    assert judged(late, absences=(Absence("west", 1.0, 18.0),)).status == "unknown"


@pytest.mark.parametrize(
    ("first", "own", "others", "status"),
    [
        (20, [requests(20)], [requests(0, instance="b")], "pass"),
        (20, [requests(16)], [requests(0, instance="b")], "pass"),
        (20, [requests(15)], [requests(0, instance="b")], "unknown"),
        (20, [requests(20)], [], "unknown"),
        (20, [], [requests(0, instance="b")], "unknown"),
        (20, [requests(20, 1e6)], [requests(0, instance="b")], "unknown"),
        (20, [requests(20), requests(30, 1e6)], [requests(0, instance="b")], "pass"),
        (20, [requests(20), requests(20, 1e6)], [requests(0, instance="b")], "unknown"),
        (60, [requests(60)], [requests(0, instance="b")], "pass"),
    ],
)
def test_a_queue_seen_late_is_fresh_only_if_its_process_is_new(first, own, others, status):
    """Its own requests began with it, after those of others, at a number that is a new one's."""
    assert judged(queue(*every(first)), *own, *others).status == status


def test_a_queue_seen_before_the_window_is_not_new_in_it():
    """Its gap at the start is a gap."""
    seen = queue((-40, 5.0), *every(20))
    assert judged(seen, requests(20), requests(0, instance="b")).status == "unknown"


# Streams


def streams(points, **labels):
    return series_of("client_streams", "s", labels, [(float(t), float(v)) for t, v in points])


def held(*series, scrape_s=1.0):
    return mean_total(samples_of(*series), "client_streams", MINUTE, scrape_s)


def test_streams_are_a_mean_of_what_was_seen_and_a_least_of_what_was_not():
    """A sample stands until the next one, and over a gap for one scrape."""
    full = [(t, 100) for t in range(61)]
    assert held(streams(full)) == Held(100.0, 100.0)
    assert held(streams([(-1, 900), *full, (61, 900)])) == Held(100.0, 100.0)
    assert held(streams(full[:31])) == Held(100.0, 100 * 31 / 60)
    assert held(streams([p for p in full if not 10 < p[0] < 40])) == Held(100.0, 100 * 31 / 60)
    assert held(streams([(t, NAN if t == 9 else 100) for t in range(61)])).at_least < 100.0
    assert held(streams([(t, 100) for t in range(0, 61, 2)]), scrape_s=4 / 3) == Held(100.0, 100.0)
    before = held(streams([(-0.5, 60), *[(t + 0.5, 120) for t in range(60)]]))
    assert before.at_least == pytest.approx(60 / 120 + 120 * 59.5 / 60)


def test_streams_without_a_sample_in_the_window_are_unknown():
    """Of any process, or of all."""
    assert held() is None
    assert held(streams([(-2, 100), (61, 100)])) is None
    assert held(streams([(0, 100)])) == Held(100.0, 100 / 60)
    assert held(streams([(60, 100)])) == Held(100.0, 0.0)


def finding(*series, target=1000, phase=MINUTE, profile="m1_1k"):
    found = Phase("baseline", "L", phase.start_s, phase.end_s, True)
    return streams_finding(judging(*series), found, CONTRACT.profiles[profile], target)


def test_streams_are_held_against_the_target_less_its_tolerance():
    """2 %, and three standard errors of as many observations as the window holds."""
    plain = finding(streams([(t, 1000) for t in range(61)]))
    residual_s = CONTRACT.profiles["m1_1k"].residual_s
    floor = 980 - 3 * (1000 * 2 * residual_s / 60) ** 0.5
    assert plain.threshold == round(floor, 1)
    assert (plain.measured, plain.margin) == (1000.0, round(1000 - floor, 1))
    assert (plain.status, plain.reason, plain.samples) == ("pass", "of 1000", 61)
    assert (plain.slo, plain.unit, plain.source) == ("streams_achieved", "streams", "client")
    assert (plain.tier, plain.region, plain.window) == (None, None, (0.0, 60.0))
    for streams_held, status in ((floor + 0.01, "pass"), (floor - 0.01, "fail")):
        assert finding(streams([(t, streams_held) for t in range(61)])).status == status


def test_a_phase_that_ended_as_it_began_held_no_streams():
    """A drill killed right then; its one sample says nothing about a stretch of time."""
    moment = finding(streams([(0, 1000)]), phase=Window(0.0, 0.0, 4.0))
    assert (moment.status, moment.measured, moment.reason) == ("unknown", None, "no data")
    assert moment.threshold == round(980 - 3 * 1000**0.5, 1)
    assert mean_total(samples_of(), "client_streams", MINUTE, 1.0) is None


def test_streams_just_enough_are_enough():
    """68 of 100, in seconds that hold no more than one observation."""
    seconds = Window(1000.0, 1004.0, 4.0)
    just = [(t, 68) for t in range(1000, 1005)]
    found = finding(streams(just), target=100, phase=seconds)
    assert (found.threshold, found.status, found.margin) == (68.0, "pass", 0.0)
    assert found.phase == "baseline"
    assert finding(streams(just[:2]), target=100, phase=seconds).status == "unknown"
    quarter = finding(streams([(t, v + 0.25) for t, v in just]), target=100, phase=seconds)
    assert (quarter.measured, quarter.margin) == (68.2, 0.2)
    later = Window(1000.0, 1060.0, 4.0)
    minute = finding(streams([(t, 1000) for t in range(1000, 1061)]), phase=later)
    assert minute.threshold == finding(streams([(t, 1000) for t in range(61)])).threshold


def test_streams_that_nobody_saw_say_so():
    """No data; or so few that too few may have been held."""
    none = finding()
    assert (none.status, none.reason) == ("unknown", "no data")
    assert (none.measured, none.margin, none.samples) == (None, None, 0)
    few = finding(streams([(t, 1000) for t in range(31)]))
    assert (few.status, few.measured) == ("unknown", 1000.0)
    assert few.reason == "of 1000; scrapes are missing: the true mean may be 517"
