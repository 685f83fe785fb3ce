"""Signals that fall silent, jump to and fro, or show what cannot be: never a pass, never held."""

from __future__ import annotations

import numpy as np
import pytest
from bundle_maker import SHORT, Story
from bundle_series import make_series

from muster.contract import load
from muster.guard.triggers import Guard
from muster.judge.consistency import judge_consistency
from muster.judge.dark_weights import dark_weights
from muster.judge.evaluate import Judging, judge_slo
from muster.judge.phases import Phase
from muster.samples.series import Samples, Series
from muster.samples.windows import Absence, Window

CONTRACT = load()
REASONS = CONTRACT.triggers.hard_failure.reasons
EAST = "eu-central-1"
STORY = Story(phases=SHORT, server_processes=2, shards=1)
WORKERS = (0.0, 900.0, 30.0, 870.0)
"""What four workers that answer a scrape in turn have counted."""


@pytest.fixture(scope="module")
def rows():
    return list(make_series(STORY))


def judged(rows, change, phase="dark", more=()):
    """What `phase` lacks where `change` gives other (times, values) of a series, or None.

    `more`: absences that the ledger declares besides that of the dark region.
    """
    found: dict[str, list[Series]] = {}
    for signal, name, labels, t, v in rows:
        t, v = change(signal, labels, t, np.asarray(v, dtype=float)) or (t, v)
        found.setdefault(signal, []).append(Series(signal, name, labels, t, v))
    samples = Samples({signal: tuple(series) for signal, series in found.items()})
    gone = Absence("eu-west-1", STORY.span("dark")[0] + 0.1, STORY.span("dark")[1] + 12)
    window = Window(*STORY.span(phase), 5.0, (gone, *more))
    return [one.reason for one in judge_consistency(samples, window, phase)]


def of(signal, **labels):
    """Whether a series is one of `signal` with those labels, in the surviving region."""
    wanted = {"region": EAST, **labels}
    return lambda name, shown: name == signal and wanted.items() <= shown.items()


PARTS = [
    of("circuit_open"),
    of("circuit_open", route="primary", instance=f"{EAST}:0"),
    of("admission_failures"),
    of("admission_failures", reason=REASONS[0], instance=f"{EAST}:1"),
]


def test_a_healthy_drill_lacks_nothing(rows):
    """Also with a region that is dark."""
    for phase in ("baseline", "evacuate", "drain", "dark", "restore"):
        assert judged(rows, lambda *_: None, phase) == []


@pytest.mark.parametrize("part", PARTS)
def test_what_the_guard_watches_must_not_fall_silent(rows, part):
    """Of a region, of one process, of one reason; it ends, has a gap, or is NaN."""
    start_s, end_s = STORY.span("dark")

    def ends(signal, labels, t, v):
        return (t[t < start_s], v[t < start_s]) if part(signal, labels) else None

    def gap(signal, labels, t, v):
        kept = (t < start_s + 2) | (t > end_s - 2)
        return (t[kept], v[kept]) if part(signal, labels) else None

    def nan(signal, labels, t, v):
        return (t, np.where(t < start_s, v, np.nan)) if part(signal, labels) else None

    def never(signal, labels, t, v):
        return (t, v * np.nan) if part(signal, labels) else None

    for change in (ends, gap, nan):
        assert any("shows nothing for" in said for said in judged(rows, change)), change
    assert any("shows no value" in said for said in judged(rows, never))


@pytest.mark.parametrize(
    ("anew", "region", "part", "missed"),
    [
        (True, EAST, True, False),
        (False, EAST, True, True),
        (True, "eu-west-1", True, True),
        (True, None, True, True),
        (False, EAST, False, False),
    ],
)
def test_a_pod_that_is_away_is_missed_unless_a_fault_ended_it(rows, anew, region, part, missed):
    """Declared for a part of its region, it must count from 0 again: else it lived on, unseen."""
    start_s, end_s = STORY.span("dark")
    own = of("requests", instance=f"{EAST}:0")

    def away(signal, labels, t, v):
        if labels.get("instance") != f"{EAST}:0":
            return None
        kept = (t < start_s + 2) | (t > end_s - 2)
        if anew and own(signal, labels):
            last = v[t <= end_s - 2]
            v = np.where(t > end_s - 2, v - (last[-1] if len(last) else 0.0), v)
        return t[kept], v[kept]

    declared = () if region is None else (Absence(region, start_s, end_s, part=part),)
    said = judged(rows, away, more=declared)
    assert any("shows nothing for" in one for one in said) is missed, said


@pytest.mark.parametrize(
    ("declared", "replaced", "missed"),
    [(True, True, False), (False, True, True), (True, False, True)],
)
def test_a_pod_that_comes_back_under_another_name_has_ended(rows, declared, replaced, missed):
    """As every pod does; one that no other replaced is missed, declared or not."""
    start_s, end_s = STORY.span("dark")
    old, new = f"{EAST}:0", f"{EAST}:new"

    def ends(signal, labels, t, v):
        kept = t < start_s + 2
        return (t[kept], v[kept]) if labels.get("instance") == old else None

    begun = [
        (signal, name, {**labels, "instance": new}, t[t > end_s - 2], np.asarray(v)[t > end_s - 2])
        for signal, name, labels, t, v in rows
        if labels.get("instance") == old and replaced
    ]
    absences = (Absence(EAST, start_s, end_s, part=True),) if declared else ()
    said = judged([*rows, *begun], ends, more=absences)
    assert any("shows nothing for" in one for one in said) is missed, said


def test_a_short_gap_is_none(rows):
    """A busy machine's scrapes are late."""

    def gap(signal, labels, t, v):
        kept = (t < t[40]) | (t > t[40] + 18)
        return (t[kept], v[kept]) if PARTS[2](signal, labels) else None

    assert judged(rows, gap, "baseline") == []


@pytest.mark.parametrize("values", [WORKERS, (-7.0,)])
def test_hard_failures_are_counters_too(rows, values):
    """Several workers in turn, and what cannot be a count."""

    def change(signal, labels, t, v):
        if PARTS[3](signal, labels):
            return t, np.array([values[i % len(values)] + i // 4 for i in range(len(t))])
        return None

    found = judged(rows, change, "baseline")
    assert any(said.startswith("admission_failures ") for said in found)


def guarded(seconds, failures=lambda t, instance: 0.0, shown=lambda *_: True, more=()):
    """What trips a guard of one region with two processes, each scraped once a second."""
    guard = Guard(CONTRACT, CONTRACT.gates["M3"], CONTRACT.tiers["G"], 1.0, ("r",), 5.0)
    watched = [("queue_age", {}), ("circuit_open", {"route": "primary"}), *more]
    watched += [("circuit_open", {"route": "fallback"})]
    watched += [("admission_failures", {"reason": reason}) for reason in REASONS]
    trips = []
    for second in range(seconds):
        t_s = float(second)
        fresh = [
            (signal, signal, {"region": "r", "instance": "load", **labels}, [t_s], [t_s * 9])
            for signal, labels in (("client_attempts", {"outcome": "success"}),)
        ]
        for instance in "ab":
            own = {"region": "r", "instance": instance}
            if shown("requests", own, second):
                fresh.append(("requests", "x", {**own, "code": "200"}, [t_s], [t_s * 9]))
            for signal, labels in watched:
                value = failures(second, instance) if labels.get("reason") == REASONS[0] else 0.0
                if shown(signal, {**own, **labels}, second):
                    fresh.append((signal, signal, {**own, **labels}, [t_s], [value]))
        trips += guard.push(fresh, t_s, rotation=frozenset("r"), declared=())
    return [(trip.kind, trip.name, trip.detail) for trip in trips]


@pytest.mark.parametrize("step", [1, 2])
def test_a_hard_failure_that_jumps_to_and_fro_is_lost_data(step):
    """Four workers behind one address: it could be increasing all the time."""

    def workers(second, instance):
        return WORKERS[second // step % 4] + second // 4 if instance == "a" else 0.0

    (lost,) = guarded(330, workers)
    part = f"{REASONS[0]} at a"
    said = f"admission_failures ({part}): 4 windows in a row without data"
    assert lost == ("data_lost", "admission_failures", said)


def test_a_negative_age_or_count_shows_nothing():
    """Minus one stands for "not known" with many."""
    assert guarded(330, lambda *_: -1.0)[0][:2] == ("data_lost", "admission_failures")


@pytest.mark.parametrize(
    "part",
    [
        {"reason": REASONS[0]},
        {"route": "primary"},
        {"reason": REASONS[1], "instance": "b"},
        {"route": "primary", "instance": "b"},
    ],
)
def test_a_part_that_vanishes_is_lost_data(part):
    """Though the region, or the process, goes on showing other parts of the same signal."""
    signal = "circuit_open" if "route" in part else "admission_failures"

    def shown(name, labels, second):
        return second < 60 or not (name == signal and part.items() <= labels.items())

    found = guarded(420, shown=shown)
    assert [one[:2] for one in found] == [("data_lost", signal)]
    assert part.get("instance", "") in found[0][2]


def test_a_process_that_has_ended_is_missed_by_nobody():
    """All it showed is gone, requests too; and a route that is not judged may go."""

    def shown(name, labels, second):
        ended = labels["instance"] == "b" or labels.get("route") == "fallback"
        return second < 60 or not ended

    lost = [one for one in guarded(420, shown=shown) if one[1] in ("circuit_open", "queue_age")]
    assert lost == []


@pytest.mark.parametrize(
    ("since_s", "until_s", "status"),
    [
        (45.0, 1e9, "unknown"),
        (30.0, 100.0, "unknown"),
        (0.0, 60.0, "unknown"),
        (30.0, 48.0, "pass"),
    ],
)
def test_a_time_without_canaries_shows_no_availability(since_s, until_s, status):
    """However many there were before and after it."""
    story = Story(server_processes=1, shards=1)
    start_s, end_s = story.span("dark")
    found = []
    for signal, name, labels, t, v in make_series(story):
        if signal == "client_canaries":
            quiet = (t > start_s + since_s) & (t <= start_s + until_s)
            v = np.cumsum(np.where(quiet, 0.0, np.diff(v, prepend=v[0])))
            found.append(Series(signal, name, labels, t, v))
    judging = Judging(CONTRACT, Samples({"client_canaries": tuple(found)}), (), 30.0, 5.0, ())
    window = Window(start_s, end_s, 5.0)
    (one,) = judge_slo(judging, window, "dark", CONTRACT.tiers["G"], "availability")
    assert one.status == status
    assert ("no canary for" in one.reason) is (status == "unknown")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t, v, start_s: (t, v), ""),
        (lambda t, v, start_s: (t, np.where(t == start_s + 7, 50.0, v)), "weight 50 while it was"),
        (lambda t, v, start_s: (t[t < start_s], v[t < start_s]), "not read for 30 s"),
        (lambda t, v, start_s: (t, np.where(t > start_s, np.nan, v)), "not read for 30 s"),
    ],
)
def test_the_records_of_a_dark_region_are_judged_too(rows, change, says):
    """The drill looks at them at every poll; its evidence holds what it saw."""
    start_s, end_s = STORY.span("dark")
    weights = [
        Series(signal, name, labels, *change(t, np.asarray(v, dtype=float), start_s))
        for signal, name, labels, t, v in rows
        if signal == "steering_weight"
    ]
    phases = [Phase("baseline", "X", start_s - 99, start_s, True)]
    phases.append(Phase("dark", "G", start_s, end_s, True))
    found = dark_weights(Samples({"steering_weight": tuple(weights)}), phases, "eu-west-1", 5.0)
    assert [one.status for one in found] == ["unknown"] * bool(says)
    assert all(says in one.reason for one in found)
    assert dark_weights(Samples({}), phases, None, 5.0) == []
