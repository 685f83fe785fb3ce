"""Facts: what the samples show, None or nothing where they show nothing, never a made-up zero."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.drill.sight.facts import KEEP_S, Facts
from muster.platform.metrics import RawSeries

A, B = "eu-west-1", "eu-central-1"


def series(values, *, region=A, signal="requests", t0=1000.0, **labels):
    times = tuple(t0 + n for n in range(len(values)))
    return RawSeries(signal, signal, {"region": region, **labels}, times, tuple(values))


def facts_of(*given_series, stale_s=5.0):
    facts = Facts(stale_s)
    facts.add(given_series)
    return facts


def everything(labels):
    return True


def test_nothing_known_is_none_or_empty():
    """Without samples there is no total, no increase, no share and no moment."""
    facts = facts_of(series([]))
    assert facts.total("requests") is None
    assert facts.newest_s("requests") is None
    assert facts.by_region("requests") == {}
    assert facts.increase("requests", 10) == {}
    assert facts.last_share_at("requests", A, 0.01, 1000, everything) is None


def test_totals_are_sums_of_the_newest_values():
    """By label and by region, of the last sample of each series."""
    facts = facts_of(
        series([1, 5], code="200"), series([1, 2], code="500"), series([4, 4], region=B)
    )
    assert facts.total("requests") == 11
    assert facts.total("requests", region=A) == 7
    assert facts.total("requests", code="500") == 2
    assert facts.total("requests", code="404") is None
    assert facts.by_region("requests") == {A: 7, B: 4}
    assert facts.newest_s("requests") == 1001


def test_a_scrape_of_nan_is_no_value():
    """It was scraped, and nothing is known from it."""
    facts = facts_of(series([1, 2, None]), series([None, None], signal="jobs"))
    assert (facts.newest_s("requests"), facts.known_s("requests")) == (1002, 1001)
    assert (facts.newest_s("jobs"), facts.known_s("jobs")) == (1001, None)


def test_a_series_whose_newest_value_is_unknown_makes_the_total_unknown():
    """A part that is not known is not left out of a sum."""
    facts = facts_of(series([1, 2]), series([3, None], region=B))
    assert facts.total("requests") is None
    assert facts.by_region("requests") == {A: 2}


def test_a_series_that_no_longer_comes_is_not_live():
    """What a stopped process showed last is no fact about now."""
    facts = facts_of(series([7]), series([0] * 10, region=B), stale_s=5)
    assert facts.by_region("requests") == {B: 0}


def test_one_sample_shows_no_increase():
    """A first scrape is not an increase of zero; the second one shows it."""
    facts = facts_of(series([100]))
    assert facts.increase("requests", 10) == {}
    facts.add([series([107], t0=1001)])
    assert facts.increase("requests", 10) == {A: 7}


def test_an_increase_is_of_the_series_that_are_kept():
    """Retries can be left out by their label."""
    facts = facts_of(series([0, 5], kind="scheduled"), series([0, 3], kind="retry"))
    wanted = facts.increase("requests", 10, lambda labels: labels["kind"] == "scheduled")
    assert wanted == {A: 5}


@st.composite
def stories(draw):
    """What a counter grows by, scrape by scrape; -1 is a restart, of which there is one at most."""
    steps = draw(st.lists(st.integers(20, 50), min_size=1, max_size=30))
    if draw(st.booleans()):
        steps[draw(st.integers(0, len(steps) - 1))] = -1
    return steps


STEPS = stories()


def counter(steps):
    """Values of a counter that grows by each step; -1 is a restart from zero."""
    return list(accumulate(steps, lambda value, step: 0 if step < 0 else value + step, initial=0))


@given(STEPS, st.integers(1, 40))
def test_an_increase_is_the_sum_of_the_steps_in_the_window(steps, window_s):
    """Whatever restarts there were, each step counts once, and none before the window."""
    increase = facts_of(series(counter(steps))).increase("requests", window_s)
    assert increase == {A: sum(max(0, step) for step in steps[-window_s:])}


def test_a_fall_that_is_no_restart_makes_nothing_known():
    """Of no region: a share of what is left would be a share of something else."""
    saw = series([900, 30, 870, 60, 930, 90])
    assert facts_of(saw, series([1, 2, 3], region=B)).increase("requests", 10) == {}


@given(STEPS, st.integers(0, 29), st.data())
def test_polls_of_any_size_give_the_same_increase(steps, cut, data):
    """Samples that come in several polls count like those that come in one."""
    values = counter(steps)
    cut = min(cut, len(values))
    facts = facts_of(series(values[:cut]))
    facts.add([series(values[cut:], t0=1000.0 + cut)])
    assert facts.increase("requests", 100) == facts_of(series(values)).increase("requests", 100)


@given(STEPS, st.sets(st.integers(0, 30)))
def test_a_gap_in_a_counter_never_adds_anything(steps, gaps):
    """Unknown values leave out what they hide, or show it later; they never raise the increase."""
    values = counter(steps)
    holed = [None if n in gaps else value for n, value in enumerate(values)]
    whole = facts_of(series(values)).increase("requests", 100)[A]
    assert facts_of(series(holed)).increase("requests", 100).get(A, 0) <= whole


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30),
    st.sampled_from([0.01, 0.05, 0.5]),
    st.integers(0, 30),
)
def test_the_last_share_is_at_the_last_scrape_that_shows_it(steps, share, since):
    """The newest moment after `since` at which the region took its share, else `since` itself."""
    facts = facts_of(
        series(list(accumulate((a for a, _ in steps), initial=0))),
        series(list(accumulate((b for _, b in steps), initial=0)), region=B),
    )
    since_s = 1000.0 + since
    wanted = since_s
    for n, (a, b) in enumerate(steps, start=1):
        if n > since and a + b and a / (a + b) >= share:
            wanted = 1000.0 + n
    found = facts.last_share_at("requests", A, share, since_s, everything)
    if since > len(steps):
        assert found is None  # nothing was scraped since
    else:
        assert found in (wanted, None if since == len(steps) else wanted)


def test_shards_scraped_at_moments_of_their_own_are_joined():
    """A region's few streams on one shard are seen against all streams of the other."""
    facts = Facts(5)
    for shard, offset, region, grown in (("0", 0.0, A, 1), ("1", 0.1, B, 999)):
        values = tuple(float(grown * n) for n in range(4))
        times = tuple(1000.0 + n + offset for n in range(4))
        facts.add([RawSeries("requests", "x", {"region": region, "shard": shard}, times, values)])
    assert facts.last_share_at("requests", A, 0.01, 1000.5, everything) == 1000.5
    assert facts.last_share_at("requests", A, 0.001, 1000.5, everything) == pytest.approx(1003)


def test_a_restart_counts_as_growth_from_zero_in_the_share_too():
    """A region whose process restarted and then took streams is not overlooked."""
    facts = facts_of(series([50, 50, 9]), series([0, 10, 20], region=B))
    assert facts.last_share_at("requests", A, 0.3, 1000.5, everything) == 1002


def test_old_samples_are_let_go():
    """Memory is bounded by the minute and a half that facts look back."""
    facts = facts_of(series(range(300)))
    (recent,) = facts._series.values()
    assert recent.t_s[0] >= recent.t_s[-1] - KEEP_S
    assert len(recent.v) == len(recent.t_s) == KEEP_S + 1


def test_streams_of_a_process_that_fell_silent_are_not_gone():
    """The others show none, and nobody sees whether its own ended; until none can last longer."""
    silent = series([9, 7], instance="a")
    facts = facts_of(silent, series([0] * 10, instance="b"), series([3] * 10, region=B))
    assert facts.by_region("requests")[A] == 0
    assert facts.unseen("requests", A, since_s=990.0) == 7
    assert facts.unseen("requests", A, since_s=1001.0) == 0
    assert facts.unseen("requests", B, since_s=990.0) == 0
    assert facts.unseen("jobs", A, since_s=990.0) == 0
    facts.add([series([2], instance="a", t0=1009.0)])
    assert facts.unseen("requests", A, since_s=990.0) == 0
