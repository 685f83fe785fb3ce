"""Counters that fall: restarts are read exactly, and everything else is unknown."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.contract import load
from muster.guard.rate_guard import RateGuard
from muster.samples.rates import server_counts
from muster.samples.restarts import COUNT_MAX, pace, restarts_of
from muster.samples.series import Samples, series_of
from muster.samples.streaming import CounterStream
from muster.samples.windows import Absence, Window, growth, total_growth

STALE_S = 4.0
WEST = "eu-west-1"


def requests(points, code="200", **labels):
    return series_of("requests", "requests_total", {"region": WEST, "code": code, **labels}, points)


def every_second(values, since=0.0):
    return [(since + number, float(value)) for number, value in enumerate(values)]


def counts(*series, until=60.0, since=0.0, absences=()):
    samples = Samples({"requests": tuple(series)})
    return server_counts(samples, Window(since, until, STALE_S, absences))


def streamed(*series, until=60.0, since=0.0):
    """The guard's growth of each, as `RateGuard` adds them up."""
    contract = load()
    guard = RateGuard(contract, contract.tiers["G"], (WEST,), STALE_S, 60.0)
    for one in series:
        guard.add(one.signal, one.name, one.labels, one.t.tolist(), one.v.tolist())
    return [growth for _, growth in guard._grown(since, until)]


def workers(seed, seconds, many=4, per_s=25.0, bad=0.0476):
    """(200, 500) of the worker that answers each scrape: each has counts of its own."""
    draw = Random(seed)
    ok, failed = [0.0] * many, [0.0] * many
    good, wrong = [], []
    share = [draw.uniform(0.2, 1.0) for _ in range(many)]
    for _ in range(seconds):
        for worker in range(many):
            ok[worker] += per_s * share[worker] * (1 - bad)
            failed[worker] += per_s * share[worker] * bad
        worker = draw.randrange(many)
        good.append(float(int(ok[worker])))
        wrong.append(float(int(failed[worker])))
    return every_second(good), every_second(wrong)


def test_a_fall_that_no_restart_explains_is_told_with_its_moments():
    """Which counter, between which scrapes; a value that any new process may begin with is none."""
    t = [1.0, 2.0, 3.0]
    steady = [5.0, 6.0, 7.0]
    found = restarts_of([(t, steady), (t, [10.0**6, 9.0 * 10**5, 10.0**6])], 1.0, STALE_S)
    fall = found.unexplained
    assert (fall.of, fall.since_s, fall.at_s, fall.before, fall.after) == (1, 1.0, 2.0, 1e6, 9e5)
    few = [10.0**6, float(COUNT_MAX), float(COUNT_MAX)]
    assert restarts_of([(t, few)], 0.0, STALE_S).unexplained is None
    few[1] += 1
    assert restarts_of([(t, few)], 0.0, STALE_S).unexplained is not None


def test_nothing_that_rises_has_no_pace():
    """No process, one scrape of one, and counters that stand still."""
    assert pace([]) == 0.0
    assert pace([[([1.0], [5.0])], [([1.0, 2.0], [5.0, 5.0])]]) == 0.0


def test_a_pace_is_counts_a_second_however_often_it_is_scraped():
    """All counters of a process together; the fastest process's, at its usual rise."""
    t = [0.0, 2.0, 4.0, 8.0]
    slow = [(t, [0.0, 2.0, 4.0, 8.0])]
    fast = [(t, [0.0, 20.0, 40.0, 80.0]), (t, [0.0, 4.0, 8.0, 400.0])]
    assert pace([slow, fast]) == 12.0
    # Scrapes between which nothing was counted say nothing of it.
    assert pace([[(t, [0.0, 0.0, 0.0, 80.0])]]) == 20.0


def test_workers_scraped_in_turn_are_unknown():
    """0, 900, 30, 870, …: read as restarts, 4.76 % of errors would be 0.012 %."""
    saw = [0, 900, 30, 870, 60, 930, 90, 900, 120, 960, 150, 930, 180]
    one = requests(every_second(saw))
    assert growth(one, Window(0, 12, STALE_S), 0.0) is None
    bad = requests(every_second([0, 45, 45, 44, 45, 46, 45, 46, 45, 47, 46, 47, 46]), code="500")
    found = counts(one, bad, until=12)
    assert found["rate_5xx"].total is None
    assert found["rate_5xx"].bad is None
    assert streamed(one, bad, until=12) == [None, None]


@pytest.mark.parametrize("since", [0, 4, 8])
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        # 1.96 % of errors, read as 0.013 %: the sum of the good ones falls by a tenth.
        ((100_000, 98), (2_000, 2)),
        # 0.1 %, read as 42.9 %: the sum of the bad ones does, which are few beside.
        ((1_000_000, 999), (1_000, 1)),
    ],
)
def test_a_sum_over_pods_of_which_one_is_replaced_is_unknown(good, bad, since):
    """`sum by (region)` falls by what the tenth pod had, which is no restart of ten."""

    def summed(base, per_s, code):
        values = [base + per_s * t - (base // 10 if t >= 30 else 0) for t in range(61)]
        return requests(every_second(values), code=code)

    both = summed(*good, "200"), summed(*bad, "500")
    found = counts(*both, since=since)
    for slo in ("rate_5xx", "success_2xx", "rate_429"):
        assert (found[slo].bad, found[slo].total) == (None, None)
    assert streamed(*both, since=since) == [None, None]
    # What only the few bad ones show is no restart either, as the good ones beside them stand.
    risen = requests(every_second([good[0] + good[1] * t for t in range(61)]))
    assert counts(risen, both[1], since=since)["rate_5xx"].bad is None
    # A stretch without the fall is known.
    assert counts(*both, since=since, until=29)["rate_5xx"].bad == bad[1] * (29 - since)


def test_a_worker_that_seldom_answers_is_no_restart():
    """One scrape of an idle worker falls to next to nothing, and the next one jumps back."""
    values = [5_000.0 + 100 * t for t in range(61)]
    values[30] = 4.0
    assert counts(requests(every_second(values)))["rate_5xx"].total is None
    values = [5_000.0 + 100 * t for t in range(31)] + [100.0 * t for t in range(30)]
    assert counts(requests(every_second(values)))["rate_5xx"].total == 3_000 + 2_900


def test_every_counter_of_a_process_restarts_with_it():
    """A counter that shows as much as before its process restarted has counted it all anew."""
    good = [1_000.0 + 50 * t for t in range(31)] + [50.0 * t for t in range(30)]
    same = [40.0] * 31 + [40.0] * 30
    found = counts(requests(every_second(good)), requests(every_second(same), code="500"))
    assert found["rate_5xx"].bad == 40.0
    more = [4.0] * 31 + [10.0] * 30
    found = counts(requests(every_second(good)), requests(every_second(more), code="500"))
    assert found["rate_5xx"].bad == 10.0
    assert streamed(requests(every_second(good)), requests(every_second(more), code="500")) == [
        1_500 + 1_450,
        10.0,
    ]


def test_another_process_of_the_region_does_not_restart_with_it():
    """Told apart by instance, or by pod where a rule sums each pod."""
    for label in ("instance", "pod"):
        fallen = [9_000.0 + 50 * t for t in range(31)] + [50.0 * t for t in range(30)]
        other = [7_000.0 + 50 * t for t in range(61)]
        one = requests(every_second(fallen), **{label: "a"})
        two = requests(every_second(other), **{label: "b"})
        assert counts(one, two)["rate_5xx"].total == 1_500 + 1_450 + 3_000
        assert streamed(one, two) == [1_500 + 1_450, 3_000]


def test_what_a_restart_says_and_what_a_fall_says():
    """The moments of restarts, or the series that fell, from what to what and why not."""
    saw = ([0.0, 1.0, 2.0, 3.0], [0.0, 900.0, 870.0, 900.0])
    found = restarts_of([([0.0, 3.0], [0.0, 1.0]), saw], 10.0, STALE_S)
    assert found.unexplained is not None
    assert found.unexplained.of == 1
    said = "fell from 900 to 870: a new process would begin at 0"
    assert found.unexplained.said() == said
    once = [(0.0, 900.0), (1.0, 950.0), (2.0, 5.0), (3.0, 55.0)]
    points = [t for t, _ in once], [v for _, v in once]
    assert restarts_of([points], pace([[points]]), STALE_S).between == ((1.0, 2.0),)


def test_a_fall_right_after_a_fall_is_no_restart():
    """Of one counter, from scrape to scrape: no process starts twice in two seconds."""
    found = restarts_of([([0.0, 1.0, 2.0, 3.0], [900.0, 950.0, 3.0, 0.0])], 50.0, STALE_S)
    assert found.unexplained is not None
    assert (found.unexplained.since_s, found.unexplained.at_s) == (2.0, 3.0)
    assert found.unexplained.why == "it fell again sooner than a process can restart"


@pytest.mark.parametrize(("jump", "known"), [(20.0, True), (21.0, False)])
def test_ten_counts_a_counter_are_no_jump_beside_a_restart(jump, known):
    """Two counters without a pace: twenty, together."""
    t = [0.0, 1.0, 2.0, 3.0]
    first, second = [5.0, 0.0, 0.0, jump - 10], [3.0, 0.0, 0.0, 10.0]
    found = restarts_of([(t, first), (t, second)], 0.0, STALE_S)
    assert (found.unexplained is None) is known
    assert found.between == (((0.0, 1.0),) if known else ())
    if not known:
        jumped = "it jumped from 0 to 21 as well, as if several processes answered in turn"
        said = f"fell from 5 to 0: {jumped}"
        assert found.unexplained.said() == said


@pytest.mark.parametrize(
    ("gap_s", "first", "known"),
    [(1.0, 500.0, True), (1.0, 501.0, False), (11.0, 1_500.0, True), (11.0, 1_501.0, False)],
)
def test_a_new_process_counts_at_most_twice_the_pace_since_the_last_scrape(gap_s, first, known):
    """At 50 a second: what it counts in the time between, and as old as a sample may be."""
    before = [(float(t), 9_000.0 + 50 * t) for t in range(31)]
    after = [(30.0 + gap_s + t, first + 50 * t) for t in range(20)]
    found = growth(requests([*before, *after]), Window(0, after[-1][0], STALE_S), 0.0)
    assert found == (1_500 + first + 950 if known else None)


def test_a_process_does_not_fall_twice_at_once():
    """Within four scrapes of a fall: unknown; after them: restarted again."""
    for apart, known in ((4, False), (5, True)):
        values = [*[9_000.0 + t for t in range(20)], *range(apart), *range(20)]
        one = requests(every_second(values))
        window = Window(0, len(values) - 1, STALE_S)
        wanted = 19 + (apart - 1) + 19 if known else None
        assert growth(one, window, 0.0) == wanted


def test_a_region_that_was_dark_restarts_from_zero():
    """What it last showed lies long back; it comes back idle, or to half of the traffic at once."""
    for per_s in (0, 1, 90):
        before = [(float(t), 9_000.0 + 90 * t) for t in range(20)]
        after = [(100.0 + t, per_s * (t + 1.0)) for t in range(30)]
        dark = (Absence(WEST, 19.0, 101.0),)
        west = requests([*before, *after], instance="a")
        east = requests(every_second([180.0 * t for t in range(131)]), instance="b")
        for since in (0, 40, 98):
            grown = total_growth([west], Window(since, 129, STALE_S, dark), siblings=[west, east])
            assert grown == per_s * 30 + max(0, 90 * (19 - since))


@st.composite
def restarting(draw):
    """Codes of one process that restarts at random: (series by code, true growth by code)."""
    seed = draw(st.integers(0, 10**6))
    random = Random(seed)
    scrape_s = draw(st.sampled_from([0.2, 1.0, 5.0, 15.0]))
    stale_s = max(4 * scrape_s, 3.0)
    per_s = random.choice([0.5, 3.0, 40.0, 900.0])
    shares = {"200": 1.0, "429": random.choice([0.0, 0.04]), "500": random.choice([0.0, 0.3])}
    many = draw(st.integers(12, 60))
    values = {code: float(random.randrange(100_000)) for code in shares}
    points = {code: [(0.0, value)] for code, value in values.items()}
    truth = dict.fromkeys(shares, 0.0)
    at_s, restarted_s = 0.0, 0.0
    for _ in range(many):
        # Slow scrapes: a sample's time is its beginning, its counts are of a little later.
        at_s += scrape_s
        lag_s = random.uniform(0, 0.5 * scrape_s)
        if at_s - restarted_s > 2 * stale_s and random.random() < 0.15:
            values = dict.fromkeys(shares, 0.0)
            at_s += scrape_s * random.randrange(6)
            restarted_s = at_s
        for code, share in shares.items():
            grown = float(int(random.uniform(0.6, 1.4) * per_s * share * (scrape_s + lag_s)))
            values[code] += grown
            truth[code] += grown
            points[code].append((at_s, values[code]))
    return stale_s, {code: requests(every, code=code) for code, every in points.items()}, truth


@given(restarting())
@settings(max_examples=100, deadline=None)
def test_real_restarts_at_random_moments_are_read_exactly(story):
    """Every code of the process, at any pace, scraped as often or as seldom as they are."""
    stale_s, series, truth = story
    end_s = float(series["200"].t[-1])
    window = Window(0.0, end_s, stale_s)
    for code, one in series.items():
        assert total_growth([one], window, siblings=list(series.values())) == truth[code]


@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([2.0, 25.0, 400.0]))
@settings(max_examples=60, deadline=None)
def test_workers_in_turn_never_read_as_known(seed, many, per_s):
    """A minute of them, whichever worker answers: nothing is known, by verdict and by guard."""
    good, bad = workers(seed, 61, many, per_s)
    both = requests(good), requests(bad, code="500")
    # Those that count alike show a counter that only rises: one worker's, and its shares.
    fell = sum(b < a for (_, a), (_, b) in pairwise(good))
    if fell >= 2:
        assert counts(*both)["rate_5xx"].total is None
        assert streamed(*both)[0] is None


@given(restarting(), st.integers(5, 30))
@settings(max_examples=60, deadline=None)
def test_guard_and_verdict_agree_on_restarts_and_on_falls(story, length):
    """Window by window, known or not; also where a sample was altered to make it fall."""
    stale_s, series, _ = story
    every = series["200"].t
    points = list(zip(every.tolist(), series["200"].v.tolist(), strict=True))
    points[len(points) // 2] = (points[len(points) // 2][0], points[len(points) // 2][1] * 0.9)
    for one in (series["200"], requests(points)):
        stream = CounterStream(began_at_zero=False, stale_s=stale_s)
        stream.add(one.t.tolist(), one.v.tolist())
        bounds = [every[0] + n * length * (every[1] - every[0]) for n in range(12)]
        for start, end in pairwise([b for b in bounds if b <= every[-1]]):
            wanted = growth(one, Window(start, end, stale_s), float(every[0]))
            got = stream.close(start, end)
            assert got == (None if wanted is None else pytest.approx(wanted))
