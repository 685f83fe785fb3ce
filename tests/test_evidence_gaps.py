"""What nobody saw never makes a pass: gauges, records and whole series with parts taken away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_evaluate import (
    CONTRACT,
    judging,
    overall,
    platforms,
    samples_of,
    statuses,
    two_processes,
)

from muster.judge.consistency import judge_consistency
from muster.judge.evaluate import streams_finding
from muster.judge.gate_rules import judge_gate_rules
from muster.judge.gauges import judge_queue_age, mean_total
from muster.judge.phases import Phase
from muster.load import tally
from muster.samples.rates import CANARY_OUTCOMES, OUTCOMES
from muster.samples.series import series_of
from muster.samples.windows import Absence, Window

END_S = 240
WINDOW = Window(0.0, float(END_S), 4.0)
WEST = {"region": "west", "instance": "a"}


def gauge(signal, values, keep=None, **labels):
    points = [(float(t), float(v)) for t, v in enumerate(values) if keep is None or t in keep]
    return series_of(signal, signal, {**WEST, **labels}, points)


seconds_kept = st.sets(st.integers(0, END_S), min_size=1).map(
    lambda gone: set(range(END_S + 1)) - gone
)


def never_better(judge, values, keep):
    before, after = judge(values, None), judge(values, keep)
    assert before == "pass" or after != "pass"


# A queue's oldest job


def queue(values, keep=None, scrape_s=1.0):
    samples = samples_of(gauge("queue_age", values, keep))
    return judge_queue_age(samples, WINDOW, "west", 30.0, scrape_s).status


@st.composite
def ages(draw):
    """A job that grows older by a second a second, and is done at any age."""
    age, found, done = 0.0, [], draw(st.lists(st.integers(1, 45), min_size=8, max_size=8))
    for _ in range(END_S + 1):
        if done and age >= done[0]:
            age = float(draw(st.integers(0, 3)))
            done = done[1:]
        found.append(age)
        age += 1 if done else 0
    return found


@given(ages(), seconds_kept)
def test_a_queue_that_nobody_saw_was_not_fresh(values, keep):
    """Any scrapes gone: a job that got too old is never taken for none."""
    never_better(queue, values, keep)


def test_one_missing_scrape_may_hide_a_job_that_is_too_old():
    """30 s old before and gone after: 31 between. 28 before: at most 30."""
    old = [0.0] * 40 + [30.0, 31.0] + [0.0] * 199
    assert queue(old) == "fail"
    assert queue(old, set(range(241)) - {41}) == "unknown"
    young = [0.0] * 40 + [28.0, 29.0] + [0.0] * 199
    assert queue(young, set(range(241)) - {41}) == "pass"


def test_a_queue_first_seen_late_may_have_stood_at_anything():
    """Unless its process began then, as its own count of requests shows."""
    late = gauge("queue_age", [0.0] * 241, set(range(20, 241)))
    other = series_of("requests", "r", {"region": "west", "instance": "b"}, [(0, 0), (240, 10)])

    def status(*requests):
        found = judge_queue_age(samples_of(late, other, *requests), WINDOW, "west", 30.0, 1.0)
        return found.status

    def own(since, base):
        points = [(float(t), base + 10.0 * (t - since)) for t in range(since, 241)]
        return series_of("requests", "r", WEST, points)

    assert status() == "unknown"
    assert status(own(0, 0.0)) == "unknown"
    assert status(own(20, 1e6)) == "unknown"
    assert status(own(10, 0.0)) == "unknown"
    assert status(own(20, 30.0)) == "pass"
    assert status(own(17, 30.0)) == "pass"


# Streams


def streams(values, keep=None):
    finding = streams_finding(
        judging(gauge("client_streams", values, keep)),
        Phase("baseline", "X", 0.0, float(END_S), True),
        CONTRACT.profiles["m3_20k"],
        20_000,
    )
    return finding.status


@given(
    st.lists(st.sampled_from([0, 19_000, 20_000, 21_000]), min_size=241, max_size=241),
    seconds_kept,
)
def test_streams_that_nobody_saw_were_not_held(values, keep):
    """Any scrapes gone: too few streams never become enough."""
    never_better(streams, values, keep)


def test_only_the_minutes_with_enough_streams_are_left():
    """Naive: the mean of what was scraped. A minute of none, unseen, is not held streams."""
    values = [20_000] * 100 + [0] * 60 + [20_000] * 81
    assert streams(values) == "fail"
    assert streams(values, set(range(100)) | set(range(160, 241))) == "unknown"
    assert streams([20_000] * 241) == "pass"
    assert streams([20_000] * 241, set(range(241)) - {50, 120, 200}) == "pass"
    assert streams([19_000] * 241, set(range(241)) - {50}) == "fail"


def test_streams_are_the_sum_of_all_processes_and_each_must_be_seen():
    """One that was never scraped in the window makes it unknown."""
    a = gauge("client_streams", [10] * 241, shard="a")
    b = gauge("client_streams", [5] * 241, shard="b")
    held = mean_total(samples_of(a, b), "client_streams", WINDOW, 1.0)
    assert held is not None
    assert (held.seen, held.at_least) == (15.0, 15.0)
    gone = gauge("client_streams", [5] * 400, set(range(300, 400)), shard="b")
    assert mean_total(samples_of(a, gone), "client_streams", WINDOW, 1.0) is None


# A circuit


def rule(gate, *series, absences=(), time_scale=1.0):
    window = Window(0.0, float(END_S), 4.0, absences)
    [finding] = judge_gate_rules(
        samples_of(*series), window, "baseline", CONTRACT, CONTRACT.gates[gate], time_scale
    )
    return finding


def circuit(values, keep=None):
    return rule("M1", gauge("circuit_open", values, keep)).status


@st.composite
def circuits(draw):
    """Open and closed in turn, for seconds or minutes."""
    found: list[int] = []
    for length in draw(st.lists(st.integers(1, 150), min_size=2, max_size=9)):
        found += [1 - found[-1] if found else draw(st.integers(0, 1))] * length
    return (found + [0] * 241)[:241]


@given(circuits(), seconds_kept)
def test_a_circuit_that_nobody_saw_was_not_closed(values, keep):
    """Any scrapes gone: an open circuit never becomes a closed one."""
    never_better(circuit, values, keep)


@pytest.mark.parametrize(
    ("open_s", "gone", "status"),
    [
        (range(60, 178), (), "pass"),
        (range(60, 190), (), "fail"),
        (range(60, 190), range(60, 80), "unknown"),
        (range(60, 190), range(55, 195), "unknown"),
        ((), range(50, 160), "pass"),
        ((), range(50, 180), "unknown"),
        ((), range(0, 130), "unknown"),
        ((), range(115, 241), "unknown"),
    ],
)
def test_a_circuit_is_open_for_as_long_as_nobody_saw_it_closed(open_s, gone, status):
    """Two minutes without a sample may hide what M1 forbids; less than that can not."""
    values = [int(t in set(open_s)) for t in range(241)]
    assert circuit(values, set(range(241)) - set(gone)) == status


def test_a_circuit_of_a_dark_region_is_no_gap():
    """Its gateways are declared to be gone."""
    seen = gauge("circuit_open", [0] * 241, set(range(40)) | set(range(200, 241)))
    assert rule("M1", seen).status == "unknown"
    assert rule("M1", seen, absences=(Absence("west", 35.0, 210.0),)).status == "pass"
    assert rule("M1").status == "unknown"


# Failover actions


def steering(west=lambda t: 50, east=lambda t: 50, keep=None):
    kept = [t for t in range(0, 241, 2) if keep is None or t in keep]
    return [
        series_of("steering_weight", "w", {"region": region}, [(t, weight(t)) for t in kept])
        for region, weight in (("west", west), ("east", east))
    ]


def arrivals(west=lambda t: 100.0 * t, east=lambda t: 100.0 * t, keep=None):
    kept = [t for t in range(241) if keep is None or t in keep]
    return [
        series_of("client_attempts", "a", {"region": region}, [(t, count(t)) for t in kept])
        for region, count in (("west", west), ("east", east))
    ]


def test_a_changed_weight_is_a_failover_action_whoever_changed_it():
    """There and back again are two."""
    moved = steering(west=lambda t: 0 if 100 <= t < 140 else 50)
    finding = rule("M2", *moved, *arrivals())
    assert (finding.status, finding.measured) == ("fail", 2.0)
    assert rule("M2", *steering(), *arrivals()).status == "pass"


def test_records_that_nobody_read_may_have_changed():
    """For longer than two samples may be old, anywhere; and never read at all."""
    every = set(range(0, 241, 2))
    for gone in (range(100, 110), range(0, 10), range(231, 241)):
        assert rule("M2", *steering(keep=every - set(gone)), *arrivals()).status == "unknown"
    assert rule("M2", *steering(keep=every - {100, 102}), *arrivals()).status == "pass"
    assert rule("M2", *arrivals()).status == "unknown"


def test_a_region_that_its_health_checks_took_out_was_failed_over():
    """Its weight never changed, and for a minute no new stream went there."""
    idle = arrivals(west=lambda t: 100.0 * min(t, 60) + 100.0 * max(0, t - 120))
    finding = rule("M2", *steering(), *idle)
    assert (finding.status, finding.measured) == ("fail", 1.0)
    resting = rule("M2", *steering(west=lambda t: 0), *arrivals(west=lambda t: 0.0))
    assert resting.status == "pass"


def test_a_split_that_nobody_saw_for_long_is_unknown():
    """More minutes in a row than a trigger may miss; or too few attempts to see a region left."""
    gone = set(range(241)) - set(range(5, 241))
    assert rule("M2", *steering(), *arrivals(keep=gone)).status == "unknown"
    assert rule("M2", *steering(), *arrivals(keep=set(range(241)) - {119, 120})).status == "pass"
    few = arrivals(west=lambda t: t / 9, east=lambda t: 0.0)
    assert rule("M2", *steering(), *few).status == "unknown"


# Whole series

PROCESS_SIGNALS = ("queue_age", "circuit_open", "streams_broken", "open_over", "build_info")


@given(st.tuples(platforms(), platforms()), st.data())
def test_removing_any_one_series_never_makes_a_pass(counts, data):
    """One series of one process, whichever it is."""
    series = two_processes(counts)
    gone = data.draw(st.integers(0, len(series) - 1))
    before = overall(series)
    # Without a request on the books nobody can tell that a process was at work.
    worked = all(part["good"] and part["fast"] for part in counts)
    if before != "pass" and worked:
        assert overall(series[:gone] + series[gone + 1 :]) != "pass", series[gone].labels


@given(
    st.tuples(platforms(), platforms()),
    st.sampled_from(["requests", "client_attempts", "first_token", "client_canaries"]),
    st.sets(st.integers(0, 60)),
    st.sampled_from([0.0, 1e6]),
)
def test_removing_scrapes_of_a_process_with_a_past_never_makes_a_pass(counts, signal, gone, past):
    """All of a signal's series of one process at those scrapes; it had counted long before."""
    series = []
    for one in two_processes(counts):
        points = list(zip(one.t.tolist(), one.v.tolist(), strict=True))
        if one.name.endswith(("_total", "x_count", "x_bucket")):
            points = [(t, v + past) for t, v in points]
        series.append(series_of(one.signal, one.name, one.labels, points))
    if 60 in gone:
        gone |= set(range(56, 60))
    if 0 in gone:
        # A first scrape that comes late and has no past is a process that came late.
        gone |= set(range(10)) if past else set()
    thinned = [
        series_of(
            one.signal,
            one.name,
            one.labels,
            [p for p in zip(one.t.tolist(), one.v.tolist(), strict=True) if int(p[0]) not in gone],
        )
        if (one.signal, one.labels["instance"]) == (signal, "b")
        else one
        for one in series
    ]
    before, after = statuses(series), statuses(thinned)
    for key, status in before.items():
        assert status == "pass" or after[key] != "pass", key


def missing(*series, shown=frozenset()):
    return [f.reason for f in judge_consistency(samples_of(*series), WINDOW, "dark", shown)]


def at_work(signal, instance, **labels):
    full = {"region": "west", "instance": instance, **labels}
    return series_of(signal, signal, full, [(float(t), float(t)) for t in range(241)])


@pytest.mark.parametrize("signal", PROCESS_SIGNALS)
def test_what_one_gateway_shows_each_of_them_must_show(signal):
    """A gateway whose queue nobody sees may have the oldest job of all."""
    served = [at_work("requests", name, code="200") for name in "ab"]
    timed = [
        series_of(kind, "x_count", {"region": "west", "instance": name}, [(0, 0), (240, 9)])
        for kind in ("first_token", "completion")
        for name in "ab"
    ]
    both = [at_work(signal, "a"), at_work(signal, "b")]
    assert missing(*served, *timed, *both) == []
    assert missing(*served, *timed, both[0]) == [
        f"{signal} lacks b of west, although other signals show it at work"
    ]
    # A process of its own shows them for all gateways.
    assert missing(*served, *timed, at_work(signal, "exporter")) == []


def test_a_signal_that_the_target_names_must_be_there():
    """A platform that counts broken streams and shows no such series is not one without any."""
    named = frozenset({"streams_broken"})
    assert missing(shown=named) == ["streams_broken has no series, although the target names it"]
    assert missing(at_work("streams_broken", "a"), shown=named) == []


def test_the_load_shows_every_outcome_from_the_start():
    """One that is missing was lost, not zero; the names are the load's own."""
    assert set(OUTCOMES) == set(tally.OUTCOMES)
    assert set(CANARY_OUTCOMES) == set(tally.CANARY_OUTCOMES)
    canaries = [at_work("client_canaries", "l", outcome=name) for name in CANARY_OUTCOMES]
    assert missing(*canaries[1:])[0] == "client_canaries lacks every answered"
    two = [at_work("client_canaries", "m", outcome=name) for name in CANARY_OUTCOMES[:-1]]
    lost = f"client_canaries lacks {CANARY_OUTCOMES[-1]} of m in west"
    assert lost in missing(*canaries, *two)


def test_every_process_of_the_load_shows_every_signal():
    """A shard whose schedule nobody sees may have started nothing."""
    canaries = [
        at_work("client_canaries", shard, outcome=name)
        for name in CANARY_OUTCOMES
        for shard in "lm"
    ]
    alone = series_of("client_offered", "o", {"instance": "l"}, [(0, 0), (240, 9)])
    assert "client_offered lacks m of the load" in missing(*canaries, alone)
    one = at_work("client_streams", "l")
    assert "client_streams lacks m of the load in west" in missing(*canaries, one)


def test_a_circuit_is_measured_from_first_open_to_first_closed():
    """Open before the window counts from its start; other circuits change nothing."""
    values = [1] * 50 + [0] * 191
    finding = rule("M1", gauge("circuit_open", values), gauge("circuit_open", [0] * 241, route="b"))
    assert (finding.measured, finding.threshold, finding.margin) == (50.0, 120.0, 70.0)
    assert (finding.status, finding.unit, finding.window) == ("pass", "s", (0.0, 240.0))
    assert finding.reason == ""
    never = gauge("circuit_open", [0] * 400, set(range(300, 400)))
    open_long = gauge("circuit_open", [1] * 241, route="b")
    assert rule("M1", never).status == "unknown"
    assert rule("M1", never, open_long).status == "fail"
    assert rule("M1", never, open_long).reason == ""
    last = gauge("circuit_open", [0] * 110 + [1] * 131)
    assert (rule("M1", last).measured, rule("M1", last).status) == (130.0, "fail")


def test_a_circuit_and_a_split_follow_the_time_scale():
    """Six times as fast: 20 s of an open circuit, 10 s of an empty region."""
    opened = gauge("circuit_open", [int(100 <= t < 125) for t in range(241)])
    assert rule("M1", opened).status == "pass"
    assert rule("M1", opened, time_scale=6.0).status == "fail"
    idle = arrivals(west=lambda t: 100.0 * min(t, 60) + 100.0 * max(0, t - 80))
    assert rule("M2", *steering(), *idle).status == "pass"
    assert rule("M2", *steering(), *idle, time_scale=6.0).measured == 2.0


def test_a_weight_read_before_the_window_is_where_it_began():
    """A change right at its start is seen against the last reading; an old reading is none."""

    def weights(*points):
        return series_of("steering_weight", "w", {"region": "west"}, points)

    steady = [(float(t), 50.0) for t in range(2, 241, 2)]
    for first, changed in (((-2.0, 50.0), 0.0), ((-2.0, 40.0), 1.0), ((-30.0, 40.0), 0.0)):
        finding = rule("M2", weights(first, *steady), arrivals()[0])
        assert finding.measured == changed


def test_a_region_takes_next_to_none_of_the_streams_below_one_per_cent():
    """One of a hundred is some; one of two hundred is next to none."""
    some = arrivals(west=lambda t: 1.0 * t, east=lambda t: 99.0 * t)
    assert rule("M2", *steering(), *some).status == "pass"
    few = arrivals(west=lambda t: 1.0 * t, east=lambda t: 199.0 * t)
    assert rule("M2", *steering(), *few).measured == 4.0


def test_the_seconds_before_the_first_sample_of_a_window():
    """One and a half scrapes are none missing; the sample before the window is its start."""

    def status(points, scrape_s=1.0):
        series = series_of("queue_age", "age", {"region": "west"}, points)
        return judge_queue_age(samples_of(series), WINDOW, "west", 30.0, scrape_s).status

    full = [(float(t), 0.0) for t in range(2, 241)]
    assert status([(1.5, 0.0), *full]) == "pass"
    assert status([(1.6, 0.0), *full]) == "unknown"
    assert status([(1.6, 0.0), *full], scrape_s=2.0) == "pass"
    assert status([(-10.0, 29.0), *full]) == "unknown"
    assert status([(-10.0, 5.0), *full]) == "pass"
    assert status([(-10.0, 29.0), (0.0, 0.0), *full]) == "pass"
    slow = [(15.0 * n, 20.0) for n in range(17)]
    assert status(slow, scrape_s=15.0) == "pass"
    assert status(slow, scrape_s=1.0) == "unknown"
    later = [(300.0, 0.0), (400.0, 0.0)]
    assert status(later) == "unknown"
