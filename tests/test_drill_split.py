"""The observed split: how far it may be off follows from how many arrivals were seen."""

from __future__ import annotations

import random

import pytest

from muster.drill.sight.facts import Facts
from muster.drill.sight.split import Split, await_looks, gone, scheduled, tolerance_of
from muster.platform.metrics import RawSeries


def facts_of(arrivals_per_scrape, share, *, scrapes=30, scrape_s=1.0, rng=None):
    """Counters of two regions, scraped every `scrape_s`, up to now."""
    facts = Facts(stale_s=10)
    west = east = 0
    for number in range(scrapes):
        for _ in range(arrivals_per_scrape):
            if (rng.random() if rng else ((west + east) % 100) / 100) < share:
                west += 1
            else:
                east += 1
        t_s = 1000 + number * scrape_s
        facts.add([
            RawSeries("client_answers", "n", {"region": name}, (t_s,), (float(count),))
            for name, count in (("west", west), ("east", east))
        ])  # fmt: skip
    return facts


@pytest.mark.parametrize(
    ("wanted", "draws", "tolerance"),
    [
        (50, 30, None),
        (50, 224, None),
        (50, 225, 10.0),
        (50, 900, 5.0),
        (50, 90000, 5.0),
        (0, 30, 5.0),
        (0, 29, None),
    ],
)
def test_the_tolerance_follows_the_arrivals(wanted, draws, tolerance):
    """5 points or three standard errors, whichever is wider; over 10 points nothing is known."""
    found = tolerance_of(wanted, draws, 5.0)
    assert found == (None if tolerance is None else pytest.approx(tolerance))


def test_thirty_arrivals_say_nothing_of_a_half():
    """12.4 points off in 30 arrivals is a healthy split's chance, and no finding."""
    split = Split(facts_of(1, 0.62, scrapes=30), 1.0, 5.0)
    assert split.look("west", 50) is None


def test_a_split_that_is_off_is_seen_as_off():
    """A region that keeps 70 % where 50 % were asked for does not hold; 52 % does."""
    far = Split(facts_of(300, 0.70), 1.0, 5.0).look("west", 50)
    assert far is not None
    assert not far.holds
    assert far.off_pct == pytest.approx(20, abs=3)
    near = Split(facts_of(300, 0.52), 1.0, 5.0).look("west", 50)
    assert near is not None
    assert near.holds


def test_arrivals_that_share_an_answer_are_one_draw():
    """Ten thousand arrivals over 100 resolver caches are 100 draws, and as many a TTL."""
    facts = facts_of(10000, 0.5, scrapes=4)
    assert Split(facts, 1.0, 5.0).look("west", 50) is not None
    assert Split(facts, 1.0, 5.0, resolvers=90, ttl_s=60).look("west", 50) is None
    short = Split(facts, 1.0, 5.0, resolvers=100, ttl_s=1.0).look("west", 50)
    assert short is not None
    assert 5 < short.tolerance_pct <= 10


def test_a_look_back_never_begins_before_the_step():
    """What was counted before the step is no answer to it."""
    facts = facts_of(300, 0.5)
    newest_s = facts.newest_s("client_answers")
    assert Split(facts, 1.0, 5.0, since_s=newest_s - 2.5).look("west", 50) is None
    assert Split(facts, 1.0, 5.0, since_s=newest_s - 3).look("west", 50) is not None
    assert Split(facts, 1.0, 5.0, since_s=newest_s - 2.5).share_pct("west") is None


def test_a_region_counts_as_gone_by_a_hundred_arrivals():
    """Under 1 % means something only where one arrival is no more than that."""
    assert gone(Split(facts_of(40, 0.0, scrapes=3), 1.0, 5.0), "west", 1.0) is None
    assert gone(Split(facts_of(60, 0.0, scrapes=3), 1.0, 5.0), "west", 1.0) == 0
    assert gone(Split(facts_of(60, 0.5, scrapes=3), 1.0, 5.0), "west", 1.0) > 40


def test_the_looks_that_end_the_wait_are_handed_back():
    """The wait's own result counts, not a look taken after it."""
    split = Split(facts_of(300, 0.5), 1.0, 5.0)
    took_s, looks = await_looks(
        split, {"west": 50, "east": 50}, 10, lambda: False, lambda s: None, lambda: 0.0
    )
    assert took_s == 0
    assert looks["west"].holds


def test_a_wait_ends_at_its_bound_with_its_last_looks():
    """Off to the end: no time, and the look that shows it."""
    clock = iter(range(100))
    split = Split(facts_of(300, 0.8), 1.0, 5.0)
    took_s, looks = await_looks(
        split, {"west": 50, "east": 50}, 5, lambda: True, lambda s: None, lambda: next(clock)
    )
    assert took_s is None
    assert not looks["west"].holds


@pytest.mark.parametrize(
    ("labels", "counts"),
    [({}, True), ({"kind": "scheduled"}, True), ({"kind": "retry"}, False), ({"kind": ""}, False)],
)
def test_only_arrivals_of_the_schedule_say_how_streams_are_split(labels, counts):
    """A retry goes where its stream went, and a canary where it is told to."""
    assert scheduled(labels) is counts


@pytest.mark.parametrize("per_scrape", [60, 120, 300, 700])
def test_a_healthy_split_is_almost_never_off(per_scrape):
    """In thousands of healthy waits of three looks, none ends as off."""
    rng = random.Random(per_scrape)
    false_alarms = 0
    for _ in range(2000):
        scrapes = 2
        while tolerance_of(50, scrapes * per_scrape, 5.0) is None:
            scrapes += 1
        arrivals = scrapes * per_scrape
        tolerance = tolerance_of(50, arrivals, 5.0)
        seen_pct = [
            100 * sum(rng.random() < 0.5 for _ in range(arrivals)) / arrivals for _ in range(3)
        ]
        off = [abs(one - 50) > tolerance for one in seen_pct]
        false_alarms += all(off)
    assert false_alarms == 0
