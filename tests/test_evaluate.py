"""The measurement contract: where a naive reading passes falsely and the contract's does not."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.contract import load
from muster.judge.evaluate import Judging, judge_phases, judge_slo
from muster.judge.gauges import judge_queue_age
from muster.judge.latency import judge_latency
from muster.judge.phases import Phase
from muster.samples.counting import Count, at_most, judge_share, smallest_sample, upper_bound_pct
from muster.samples.rates import CANARY_OUTCOMES, OUTCOMES
from muster.samples.series import Samples, Series, series_of
from muster.samples.windows import Absence, Window

CONTRACT = load()
EDGES = CONTRACT.measurement.first_token_edges_s
WINDOW = Window(0.0, 60.0, 4.0)
SECONDS = range(0, 61, 1)


@cache
def straight(end, start):
    """Times and values from `start` to `end`; the same for every series of one count."""
    values = [start + round((end - start) * t / 60) for t in SECONDS]
    return np.array(SECONDS, float), np.array(values, float)


def line(signal, name, labels, end, start=0.0):
    """A counter or gauge that goes straight from `start` to `end` in the window."""
    return Series(signal, name, labels, *straight(end, start))


def histogram(signal, latencies, edges=EDGES, **labels):
    """Buckets and count of `latencies`, all observed within the window."""
    latencies = sorted(latencies)
    found = [
        line(signal, "x_bucket", {**labels, "le": f"{edge:g}"}, bisect_right(latencies, edge))
        for edge in edges
    ]
    found.append(line(signal, "x_bucket", {**labels, "le": "+Inf"}, len(latencies)))
    return [*found, line(signal, "x_count", labels, len(latencies))]


def open_over(signal, phase, count, les=("2", "2.5", "3", "15", "18", "20")):
    return [line(signal, "open_over", {"phase": phase, "le": le}, count) for le in les]


def samples_of(*series):
    by_signal = {}
    for one in series:
        by_signal.setdefault(one.signal, []).append(one)
    return Samples({signal: tuple(found) for signal, found in by_signal.items()})


def requests(**codes):
    return [
        line("requests", "r_total", {"code": code.strip("_")}, count)
        for code, count in codes.items()
    ]


def attempts(**outcomes):
    return [
        line("client_attempts", "a_total", {"outcome": outcome, "kind": "scheduled"}, count)
        for outcome, count in outcomes.items()
    ]


def judging(*series, absences=()):
    return Judging(CONTRACT, samples_of(*series), ("west",), 30.0, 4.0, absences)


def slo(name, *series, tier="G"):
    found = judge_slo(judging(*series), WINDOW, "dark", CONTRACT.tiers[tier], name)
    return {finding.source: finding for finding in found}


def first_token(latencies, threshold_s=2.0, edges=EDGES, still_open=0.0, required=True):
    return judge_latency(
        samples_of(
            *histogram("first_token", latencies, edges),
            *open_over("open_over", "first_token", still_open),
        ),
        WINDOW,
        histogram="first_token",
        open_signal="open_over",
        open_phase="first_token",
        open_required=required,
        threshold_s=threshold_s,
        percentile=Fraction(95, 100),
    )


def test_fast_rejects_do_not_better_a_success_rate_nor_a_percentile():
    """Naive: 90 % of the answers are quick 429s, no 5xx at all, and p95 looks splendid."""
    series = [*requests(_200=100, _429=900), *attempts(success=100, http_429=900)]
    assert slo("rate_5xx", *series)["client"].status == "pass"
    assert slo("success_2xx", *series)["client"].status == "fail"
    naive = [0.001] * 900 + [5.0] * 100
    assert sorted(naive)[int(0.89 * len(naive))] < 2.0
    assert first_token([5.0] * 100).status == "fail"


def test_429_is_no_5xx_and_has_its_own_budget():
    """Naive: every answer that is no 2xx is an error; or none of the 429s is anything."""
    series = [*requests(_200=960, _429=40), *attempts(success=960, http_429=40)]
    assert slo("rate_5xx", *series)["server"].status == "pass"
    assert slo("rate_429", *series)["server"].status == "pass"
    series = [*requests(_200=959, _429=41), *attempts(success=959, http_429=41)]
    assert slo("rate_429", *series)["server"].status == "fail"
    assert slo("rate_5xx", *series)["server"].status == "pass"


def test_a_200_that_is_cut_is_no_success():
    """Naive: the status was 200."""
    broken = line("streams_broken", "b_total", {}, 60)
    series = [*requests(_200=1000), broken, *attempts(success=940, broken=60)]
    found = slo("success_2xx", *series)
    assert (found["server"].status, found["client"].status) == ("fail", "fail")
    assert found["client"].measured == 94.0


@pytest.mark.parametrize("outcome", ["refused", "reset", "timeout", "http_5xx"])
def test_what_never_reached_the_server_counts_as_5xx(outcome):
    """Naive: the server's own counters know of no failure."""
    found = slo("rate_5xx", *requests(_200=990), *attempts(success=990, **{outcome: 10}))
    assert (found["server"].status, found["client"].status) == ("pass", "fail")


def test_401_and_404_are_neither_success_nor_5xx():
    """Against 2xx success, in no error budget."""
    series = [*requests(_200=940, _401=60), *attempts(success=940, http_4xx=60)]
    assert slo("rate_5xx", *series)["server"].status == "pass"
    assert slo("rate_429", *series)["server"].status == "pass"
    assert slo("success_2xx", *series)["server"].status == "fail"


def test_a_stream_that_is_still_open_past_the_threshold_counts_as_over_it():
    """Naive: only what has ended is in the histogram, so a hang is invisible."""
    assert first_token([1.0] * 100).status == "pass"
    assert first_token([1.0] * 100, still_open=6).status == "fail"
    assert first_token([1.0] * 100, still_open=5).status == "pass"


def test_without_the_count_of_open_ones_the_loads_latency_is_unknown():
    """No gauge is not zero open streams."""
    series = histogram("client_first_token", [1.0] * 100)
    assert slo("first_token_p95", *series)["client"].status == "unknown"


def test_a_gap_in_the_platforms_count_of_open_ones_is_unknown():
    """A platform that shows them must show them at the window's end; one that never does may."""
    timed = histogram("first_token", [1.0] * 100)
    short = series_of("open_over", "o", {"phase": "first_token", "le": "2.5"}, [(0, 0), (30, 9)])
    assert slo("first_token_p95", *timed, short)["server"].status == "unknown"
    assert slo("first_token_p95", *timed)["server"].status == "pass"


def test_p95_is_decided_by_counting_on_the_edge():
    """95 of 100 at or under 2 s pass, 94 fail; nothing is interpolated."""
    assert first_token([2.0] * 95 + [2.001] * 5).status == "pass"
    assert first_token([2.0] * 94 + [2.001] * 6).status == "fail"
    assert first_token([2.0] * 95 + [2.001] * 5).bracket == (1.8, 2.0)
    assert first_token([2.0] * 94 + [2.001] * 6).bracket == (2.0, 2.25)


def test_between_two_edges_only_what_is_sure_is_said():
    """T inside a bucket: pass by its lower edge, fail by its upper one, else unknown."""
    edges = (1.0, 1.9, 2.1, 4.0)
    assert first_token([1.0] * 100, edges=edges).status == "pass"
    assert first_token([3.0] * 100, edges=edges).status == "fail"
    between = first_token([2.0] * 100, edges=edges)
    assert (between.status, between.bracket) == ("unknown", (1.9, 2.1))
    assert first_token([3.0] * 6 + [1.0] * 94, edges=edges).status == "fail"
    assert first_token([3.0] * 5 + [1.0] * 95, edges=edges).status == "pass"


def test_a_histogram_that_ends_below_the_threshold_can_not_pass():
    """Naive: `histogram_quantile` answers the top edge, 1 s, for streams of a minute."""
    found = first_token([60.0] * 100, edges=(0.5, 1.0))
    assert (found.status, found.reason) == (
        "unknown",
        "no histogram edge at or above the threshold",
    )


def test_few_samples_show_nothing_unless_they_fail_already():
    """999 canaries can not show 99.9 %; two bad ones of them can show that it is missed."""
    tolerated = 1 - CONTRACT.tiers["G"].availability_min
    assert smallest_sample(tolerated) == 1000
    assert judge_share(Count(0, 999), tolerated)[0] == "unknown"
    assert judge_share(Count(1, 999), tolerated)[0] == "unknown"
    assert judge_share(Count(2, 999), tolerated)[0] == "fail"
    assert judge_share(Count(1, 1000), tolerated)[0] == "pass"
    assert judge_share(Count(2, 1000), tolerated)[0] == "fail"
    assert judge_share(Count(None, 1000), tolerated)[0] == "unknown"
    assert judge_share(Count(0, None), tolerated)[0] == "unknown"


@pytest.mark.parametrize(("tier", "needed"), [("L", 200), ("G", 1000), ("X", 2000)])
def test_the_smallest_sample_of_each_tier(tier, needed):
    """1 / (1 - target), exactly."""
    assert smallest_sample(1 - CONTRACT.tiers[tier].availability_min) == needed


def test_the_share_at_the_limit_holds_exactly():
    """0.3 % of 1,000 are 3; with floats 3 / 1000 <= 0.003 may be false."""
    assert judge_share(Count(3, 1000), CONTRACT.tiers["X"].rate_5xx_max)[0] == "pass"
    assert judge_share(Count(4, 1000), CONTRACT.tiers["X"].rate_5xx_max)[0] == "fail"


def test_the_bound_is_the_exact_binomial_one():
    """No bad one of 1,000: at most 0.2991 % with 95 % confidence (the rule of three says 0.3)."""
    assert upper_bound_pct(0, 1000) == pytest.approx(100 * (1 - 0.05 ** (1 / 1000)))
    assert upper_bound_pct(1000, 1000) == 100.0
    assert at_most(3, 20, 0.2) == pytest.approx(0.4114489, abs=1e-7)


def queue(points, absences=()):
    series = series_of("queue_age", "age", {"region": "west"}, points)
    window = Window(0.0, 60.0, 4.0, absences)
    return judge_queue_age(samples_of(series), window, "west", 30.0, 1.0)


def test_a_gap_in_the_queues_age_is_bounded_by_its_growth():
    """It grows a second a second: 5 s old before a gap of 20 can not pass 30, before 40 it can."""
    assert queue([(t, 5.0) for t in [*range(0, 20), *range(40, 61)]]).status == "pass"
    assert queue([(t, 5.0) for t in [*range(0, 10), *range(50, 61)]]).status == "unknown"
    seen = [(t, 31.0 if t == 5 else 5.0) for t in [*range(0, 10), *range(50, 61)]]
    assert queue(seen).status == "fail"


def test_the_queue_of_a_dark_region_holds_nothing_back():
    """Its processes are declared to be gone; without the declaration it is unknown."""
    points = [(t, 0.0) for t in range(0, 10)]
    assert queue(points).status == "unknown"
    assert queue(points, (Absence("west", 8.0, 90.0),)).status == "pass"
    assert judge_queue_age(samples_of(), WINDOW, "west", 30.0, 1.0).status == "unknown"


# What follows holds for any platform, not only for the ones above.

SLOS = (
    "availability",
    "success_2xx",
    "rate_5xx",
    "rate_429",
    "first_token_p95",
    "completion_p95",
)
WORSE = {"pass": 2, "unknown": 1, "fail": 0}


@st.composite
def platforms(draw):
    """Counts of one phase, mostly near their limits so that either side is met."""
    few = st.integers(0, 12)
    return {
        "good": draw(st.integers(0, 1500)),
        "http_5xx": draw(few),
        "http_429": draw(st.integers(0, 80)),
        "broken": draw(few),
        "fast": draw(st.integers(0, 300)),
        "slow": draw(st.integers(0, 20)),
        "open": draw(st.integers(0, 5)),
        "answered": draw(st.integers(0, 2500)),
        "unanswered": draw(st.integers(0, 4)),
    }


def shown(counts, times=1):
    """Every series of such a platform, seen by itself and by its load."""
    n = {key: value * times for key, value in counts.items()}
    bad = {key: n[key] for key in ("http_5xx", "http_429", "broken")}
    series = [
        *requests(_200=n["good"] + n["broken"], _500=n["http_5xx"], _429=n["http_429"]),
        line("streams_broken", "b_total", {}, n["broken"]),
        *attempts(**dict.fromkeys(OUTCOMES, 0) | {"success": n["good"]} | bad),
    ]
    canaries = {"answered": n["answered"], "unavailable_5xx": n["unanswered"]}
    series += [
        line("client_canaries", "c_total", {"outcome": outcome}, canaries.get(outcome, 0))
        for outcome in CANARY_OUTCOMES
    ]
    series += [
        line("client_scheduled", "s_total", {}, n["good"]),
        line("client_offered", "o_total", {}, n["good"]),
        line("client_streams", "streams", {}, 100 * times, 100 * times),
    ]
    for kind, slow_s, edges in (
        ("first_token", 9.0, EDGES),
        ("completion", 40.0, CONTRACT.measurement.completion_edges_s),
    ):
        latencies = [0.5] * n["fast"] + [slow_s] * n["slow"]
        for prefix in ("", "client_"):
            series += histogram(f"{prefix}{kind}", latencies, edges)
            series += open_over(f"{prefix}open_over", kind, n["open"])
    return series


def findings(series):
    found = {}
    for name in SLOS:
        for source, finding in slo(name, *series).items():
            found[name, source] = finding
    return found


def statuses(series):
    return {key: finding.status for key, finding in findings(series).items()}


WORSENED = {
    "a good answer becomes a 5xx": {"good": -1, "http_5xx": 1},
    "a good answer becomes a 429": {"good": -1, "http_429": 1},
    "a good stream is cut": {"good": -1, "broken": 1},
    "a fast one becomes slow": {"fast": -1, "slow": 1},
    "one more hangs": {"open": 1},
    "a canary is not answered": {"answered": -1, "unanswered": 1},
}


@given(platforms(), st.sampled_from(sorted(WORSENED)), st.integers(1, 40))
def test_worsening_one_input_never_turns_fail_into_pass(counts, how, times):
    """Whatever gets worse, no finding gets better than it was."""
    changed = dict(counts)
    for key, change in WORSENED[how].items():
        if change < 0:
            times = min(times, counts[key])
    for key, change in WORSENED[how].items():
        changed[key] += change * times
    before, after = statuses(shown(counts)), statuses(shown(changed))
    for key, status in before.items():
        if status == "fail":
            assert after[key] != "pass", (key, how)


FEW_TIMED = dict.fromkeys(("http_5xx", "http_429", "broken", "slow", "answered", "unanswered"), 0)


@given(platforms(), st.integers(2, 5))
@example(FEW_TIMED | {"good": 87, "fast": 19, "open": 1}, 2)
@example(FEW_TIMED | {"good": 145, "fast": 19, "open": 1}, 2)
def test_scaling_the_counts_keeps_the_verdict(counts, times):
    """The same shares of more: what is known stays as it is.

    But for one thing: a handful of successes that were not timed proves nothing, and many do.
    """
    before, after = statuses(shown(counts)), findings(shown(counts, times))
    for key, status in before.items():
        few = status == "pass" and "were timed, but" in after[key].reason
        if status != "unknown" and not few:
            assert after[key].status == status, key


def test_many_successes_that_were_not_timed_take_the_pass_of_a_few():
    """A handful may be missing whatever the counts; twice as many of twice as many may not."""
    counts = FEW_TIMED | {"good": 145, "fast": 19, "open": 1}
    once, twice = (slo("first_token_p95", *shown(counts, times))["client"] for times in (1, 2))
    assert (once.status, twice.status) == ("pass", "unknown")
    assert "40 requests were timed, but 290 streams succeeded" in twice.reason


@given(platforms(), st.data())
def test_removing_scrapes_never_makes_a_finding_better(counts, data):
    """Any scrapes of any series: a pass needs both ends of every window.

    An end may be as old as the contract allows; what was counted since then belongs to the window
    that follows. So here an end is there, or missing for longer than that.
    """
    series = shown(counts)
    chosen = data.draw(st.sets(st.integers(0, len(series) - 1), min_size=1, max_size=6))
    keep = data.draw(st.sets(st.integers(0, 60)))
    if 60 not in keep:
        keep -= set(range(56, 60))
    thinned = [
        series_of(
            one.signal,
            one.name,
            one.labels,
            [(t, v) for t, v in zip(one.t.tolist(), one.v.tolist(), strict=True) if int(t) in keep],
        )
        if index in chosen
        else one
        for index, one in enumerate(series)
    ]
    before, after = statuses(series), statuses(thinned)
    for key, status in before.items():
        if status != "pass":
            assert after[key] != "pass", key


def two_processes(counts):
    """The same platform twice, as two processes of a region."""
    found = []
    for instance, part in zip("ab", counts, strict=True):
        for one in shown(part):
            labels = {**one.labels, "instance": instance, "region": "west"}
            found.append(replace(one, labels=labels))
    return found


SIGNALS = (
    "requests",
    "first_token",
    "completion",
    "client_attempts",
    "client_first_token",
    "client_completion",
    "client_open_over",
    "client_canaries",
)


def overall(series):
    """Fail if anything fails, else unknown if anything is unknown."""
    phase = Phase("dark", "G", 0.0, 60.0, True)
    found = judge_phases(judging(*series), [phase], CONTRACT.tiers["G"])
    # The rig and the queue are not part of these platforms.
    kept = [f.status for f in found if f.slo in (*SLOS, "samples_complete")]
    return min(kept, key=lambda status: WORSE[status])


@given(st.tuples(platforms(), platforms()), st.sampled_from(SIGNALS))
def test_removing_a_signal_or_a_process_from_it_never_makes_a_pass(counts, signal):
    """Whole series gone: of all processes, or of one that another signal shows at work."""
    series = two_processes(counts)
    before = overall(series)
    if before == "pass":
        return
    assert overall([one for one in series if one.signal != signal]) != "pass"
    if signal in ("client_canaries", "client_open_over"):
        return
    less = [one for one in series if (one.signal, one.labels["instance"]) != (signal, "b")]
    worked = counts[1]["good"] and counts[1]["fast"]
    assert not worked or overall(less) != "pass"


@given(platforms(), st.data())
def test_removing_one_series_of_a_histogram_never_makes_it_better(counts, data):
    """A bucket, or the count, of one process."""
    series = two_processes((counts, counts))
    timed = [i for i, one in enumerate(series) if one.name.startswith("x_")]
    gone = data.draw(st.sampled_from(timed))
    less = [one for index, one in enumerate(series) if index != gone]
    before, after = statuses(series), statuses(less)
    for key, status in before.items():
        if status != "pass":
            assert after[key] != "pass", key
