"""Processes that a drill stopped and that came back under another name, or without a label."""

from __future__ import annotations

import pytest
from test_evaluate import histogram, samples_of
from test_latency import judged as latency

from muster.judge.gauges import judge_queue_age
from muster.samples.series import series_of
from muster.samples.windows import Absence, Window, ended, total_growth

DARK = (Absence("west", 98.0, 210.0),)
PHASES = [(0, 98), (98, 200), (200, 300), (300, 400), (0, 400)]


def counter(since, until, instance="a", region="west", code="200", base=0.0, per_s=10.0):
    points = [(float(t), base + per_s * (t - since)) for t in range(since, until + 1)]
    labels = {"region": region, "instance": instance, "code": code}
    return series_of("requests", "r", labels, points)


EAST = counter(0, 400, "e", "east")
OLD, NEW = counter(0, 100), counter(205, 400, "b")


def grown(*series, absences=DARK):
    return [
        total_growth(series, Window(start, end, 4.0, absences), siblings=[EAST, *series])
        for start, end in PHASES
    ]


def test_a_process_that_others_replaced_is_counted_to_its_end():
    """As pods are, which come back with other names; in every phase and over the whole."""
    assert grown(OLD, NEW) == [980.0, 20.0, 950.0, 1000.0, 2950.0]
    assert grown(OLD, NEW, absences=()) == [980.0, *[None] * 4]
    elsewhere = (Absence("east", 98.0, 210.0),)
    assert grown(OLD, NEW, absences=elsewhere) == [980.0, *[None] * 4]


def test_a_label_that_did_not_happen_again_is_counted_to_its_end():
    """Its process came back under the same name and shows the others."""
    back = series_of(
        *("requests", "r", dict(OLD.labels)),
        [*zip(OLD.t.tolist(), OLD.v.tolist(), strict=True), *[(t, t - 205.0) for t in NEW.t]],
    )
    failed = counter(0, 100, code="500", per_s=1.0)
    together = [
        total_growth([failed], Window(start, end, 4.0, DARK), siblings=[EAST, back, failed])
        for start, end in PHASES
    ]
    assert together == [98.0, 2.0, 0.0, 0.0, 100.0]


def test_a_process_of_which_nobody_sees_that_it_came_back_is_unknown():
    """Its neighbour of before is back, so it was not replaced: its scrapes are lost."""
    neighbour = series_of(
        *("requests", "r", {"region": "west", "instance": "c", "code": "200"}),
        [(t, 10.0 * t) for t in [*range(101), *range(205, 401)]],
    )
    lost = grown(OLD, neighbour)
    assert lost[:1] + lost[2:] == [1960.0, None, None, None]
    assert grown(OLD)[2:] == [None] * 3
    assert grown(OLD, counter(205, 400, "b", "north"))[2:] == [None] * 3
    assert grown(OLD, counter(100, 400, "b", base=1e6))[2:] == [None] * 3


@pytest.mark.parametrize(
    ("until", "end_s", "wanted"),
    [
        (94, 300.0, True),
        (93, 300.0, False),
        (210, 300.0, True),
        (211, 300.0, False),
        (100, 105.0, True),
        (100, 104.0, False),
    ],
)
def test_a_series_ends_with_its_region_and_not_otherwise(until, end_s, wanted):
    """From a missing sample before its declaration to its return; and its end is seen as one."""
    one = counter(0, until)
    later = counter(max(205, until + 5), 400, "b")
    assert ended(one, [EAST, one, later], Window(0.0, end_s, 4.0, DARK)) is wanted


def test_a_series_without_samples_has_no_end():
    """Nor one beside others without."""
    empty = series_of("requests", "r", {"region": "west", "instance": "x"}, [])
    window = Window(0.0, 300.0, 4.0, DARK)
    assert not ended(empty, [OLD, NEW, empty], window)
    assert ended(OLD, [empty, OLD, NEW], window)


def ages(since, until, instance, age=5.0):
    labels = {"region": "west", "instance": instance}
    return series_of("queue_age", "q", labels, [(float(t), age) for t in range(since, until + 1)])


def queues(*series, absences=DARK, requests=(EAST, OLD, NEW)):
    found = []
    for start, end in PHASES:
        window = Window(float(start), float(end), 4.0, absences)
        samples = samples_of(*requests, *series)
        found.append(judge_queue_age(samples, window, "west", 30.0, 1.0).status)
    return found


def test_a_queue_lives_as_long_as_its_process():
    """One that was stopped leaves none behind; one that was started had none before."""
    old, new = ages(0, 100, "a"), ages(205, 400, "b")
    assert queues(old, new) == ["pass"] * 5
    assert queues(old, new, absences=()) == ["pass", *["unknown"] * 4]
    assert queues(old, ages(205, 400, "b", 31.0))[2:] == ["fail"] * 3
    assert queues(old, ages(205, 299, "b"))[3:] == ["unknown"] * 2
    past = counter(205, 400, "b", base=1e6)
    assert queues(old, new, requests=(EAST, OLD, past))[0] == "unknown"


def test_a_region_that_is_back_must_show_a_queue():
    """Between the end of its darkness and its first process nobody knows."""
    slow = (EAST, OLD, counter(250, 400, "b"))
    samples = samples_of(*slow, ages(0, 100, "a"), ages(250, 400, "b"))
    for start, end, status in (
        (120, 200, "not_judged"),
        (215, 240, "unknown"),
        (120, 240, "unknown"),
    ):
        window = Window(float(start), float(end), 4.0, DARK)
        found = judge_queue_age(samples, window, "west", 30.0, 1.0)
        assert (found.status, found.scrapes) == (status, 0)
        assert found.reason == ("the region was dark" if status == "not_judged" else "no data")


def test_what_was_open_in_a_process_that_was_replaced_is_none():
    """Its streams went with it; in the phases after it there are those of the new one."""

    def still(points, instance):
        labels = {"region": "west", "instance": instance, "phase": "first_token", "le": "2"}
        return series_of("open_over", "o", labels, points)

    old = still([(-60.0, 3.0), (-50.0, 9.0)], "a")
    new = still([(-9.0, 0.0), (0.0, 1.0), (60.0, 5.0)], "b")
    timed = histogram("first_token", [1.0] * 100)
    window = Window(0.0, 60.0, 4.0, (Absence("west", -49.0, -5.0),))
    assert latency(*timed, old, new, window=window).total == 104
    assert latency(*timed, old, window=window).status == "unknown"


def test_what_a_stopped_process_last_showed_still_counts():
    """Its last sample alone may lie in a window; one sample shows that its process is back."""
    window = Window(99.5, 300.0, 4.0, DARK)
    assert total_growth([OLD], window, siblings=[EAST, OLD, NEW]) == 10.0
    failed = counter(0, 100, code="500")
    back = series_of("requests", "r", dict(OLD.labels), [(250.0, 3.0)])
    assert ended(failed, [EAST, failed, back], Window(0.0, 300.0, 4.0, DARK))


def test_a_gap_within_the_life_of_a_stopped_process_is_one():
    """In the midst of it, or before its last sample."""
    new = ages(205, 400, "b")
    labels = {"region": "west", "instance": "a"}
    for seen in ([*range(11), *range(60, 101)], [*range(51), 100]):
        old = series_of("queue_age", "q", labels, [(float(t), 5.0) for t in seen])
        window = Window(0.0, 400.0, 4.0, DARK)
        found = judge_queue_age(samples_of(EAST, OLD, NEW, old, new), window, "west", 30.0, 1.0)
        assert (found.status, found.reason) == ("unknown", "no sample for 50 s")


PART = (Absence("west", 98.0, 210.0, part=True),)
BESIDE = counter(0, 400, "c")


def test_a_pod_that_another_replaced_is_counted_to_its_end_while_its_region_goes_on():
    """It has another name, as pods have; the declaration alone says nothing of any process."""
    assert grown(OLD, NEW, BESIDE, absences=PART) == [
        *(980.0 + 980.0, 20.0 + 1020.0, 950.0 + 1000.0, 1000.0 + 1000.0, 2950.0 + 4000.0),
    ]
    assert grown(OLD, BESIDE, absences=PART)[1:] == [None] * 4
    assert grown(OLD, counter(100, 400, "b", base=1e6), BESIDE, absences=PART)[2:] == [None] * 3
    late = (Absence("west", 110.0, 210.0, part=True),)
    assert grown(OLD, NEW, BESIDE, absences=late) == [1960.0, *[None] * 4]


FAILED = counter(130, 400, "c", code="500", per_s=0.1)
LOST = counter(0, 105, "lost")
NEVER = counter(112, 205, "never", per_s=0.0)


@pytest.mark.parametrize(
    ("series", "others", "wanted"),
    [
        (OLD, (NEW, BESIDE), True),
        (OLD, (NEW, BESIDE, LOST), False),
        (LOST, (NEW, BESIDE, OLD), False),
        (LOST, (BESIDE, FAILED), False),
        (LOST, (BESIDE, NEVER), False),
        (NEVER, (BESIDE,), True),
        (OLD, (BESIDE, NEVER, NEW), True),
        (NEVER, (BESIDE, OLD, NEW), True),
        (NEVER, (BESIDE, OLD), False),
        (counter(0, 105, "c", code="429"), (BESIDE, OLD, NEW), False),
    ],
    ids=[
        "replaced", "beside one that is lost", "lost beside one that was replaced",
        "lost, and another shows a new label", "lost, while a pod came that never served",
        "a pod of a release that is taken back", "replaced after the release",
        "of the release, beside one that was replaced", "of the release, and none for the old one",
        "a label of a process that goes on",
    ],
)  # fmt: skip
def test_a_pod_that_only_shows_nothing_any_more_is_not_taken_for_a_replaced_one(
    series, others, wanted
):
    """Whoever replaced one pod cannot stand for two; a new label is no new pod."""
    window = Window(0.0, 400.0, 4.0, PART)
    assert ended(series, [EAST, series, *others], window) is wanted
    assert ended(series, [EAST, *others], window) is wanted


def test_a_region_that_was_dark_later_brings_nothing_back_that_was_lost_before():
    """What came when it was lit again took the place of what was stopped."""
    stopped = [counter(0, 300, name) for name in ("c", "d")]
    lit = [counter(350, 400, name) for name in ("e", "f", "g")]
    declared = (*PART, Absence("west", 300.0, 360.0))
    window = Window(0.0, 400.0, 4.0, declared)
    assert not ended(LOST, [EAST, LOST, *stopped, *lit], window)
    assert ended(stopped[0], [EAST, LOST, *stopped, *lit], window)


def test_nothing_of_a_region_is_absent_because_a_part_of_it_is():
    """Whoever is scraped no more and did not end is missed as ever."""
    window = Window(0.0, 300.0, 4.0, PART)
    assert not window.absent("west", 150.0)
    assert Window(0.0, 300.0, 4.0, DARK).absent("west", 150.0)


@pytest.mark.parametrize(("anew", "wanted"), [(True, True), (False, False)])
def test_a_label_ends_with_its_process_only_if_that_began_anew(anew, wanted):
    """In a part of a region that is replaced, under the same name: siblings show it."""
    failed = counter(0, 100, code="500", per_s=1.0)
    points = [*zip(OLD.t.tolist(), OLD.v.tolist(), strict=True)]
    points += [(t, (t - 205.0 if anew else 10.0 * t)) for t in NEW.t.tolist()]
    back = series_of("requests", "r", dict(OLD.labels), points)
    window = Window(0.0, 400.0, 4.0, PART)
    assert ended(failed, [EAST, back, failed], window) is wanted
    assert ended(failed, [EAST, back, failed], Window(0.0, 400.0, 4.0, DARK))


@pytest.mark.parametrize(
    ("anew", "absences", "status"),
    [(True, PART, "pass"), (False, PART, "unknown"), (True, (), "unknown")],
)
def test_a_queue_of_a_pod_that_is_back_under_its_name_was_away(anew, absences, status):
    """For longer than its limit; one that lived on unseen may have held an old job."""
    counts = [*zip(OLD.t.tolist(), OLD.v.tolist(), strict=True)]
    counts += [(t, (t - 205.0 if anew else 10.0 * t)) for t in NEW.t.tolist()]
    back = series_of("requests", "r", dict(OLD.labels), counts)
    before, after = ages(0, 100, "a"), ages(205, 400, "a")
    points = [*zip(before.t.tolist(), before.v.tolist(), strict=True)]
    points += zip(after.t.tolist(), after.v.tolist(), strict=True)
    queue = series_of("queue_age", "q", dict(before.labels), points)
    window = Window(90.0, 260.0, 4.0, absences)
    found = judge_queue_age(samples_of(EAST, BESIDE, back, queue), window, "west", 30.0, 1.0)
    assert (found.status, found.reason) == (
        status,
        "" if status == "pass" else "no sample for 105 s",
    )
