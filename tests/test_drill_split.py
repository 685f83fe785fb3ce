"""The observed split: how far it may be off follows from how many arrivals were seen."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from muster.drill.sight import observe, steered
from muster.drill.sight.facts import Facts
from muster.drill.sight.split import (
    Look,
    Split,
    await_looks,
    await_split,
    draws_of,
    gone,
    needed_draws,
    scheduled,
    telling_pct,
    tolerance_of,
)
from muster.drill.stop import LOOK_S
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
    """Ten thousand arrivals a second over 100 resolver caches are 100 draws, more after a TTL."""
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


def shown(**counts):
    """Facts in which every look-back holds these arrivals."""
    return SimpleNamespace(newest_s=lambda signal: 1000.0, increase=lambda *_: counts)


def test_a_look_says_share_arrivals_and_tolerance():
    """A region that is not among the counts took none of them."""
    split = Split(shown(west=300.0, east=700.0), 1.0, 5.0)
    assert split.look("west", 30) == Look(30.0, 1000.0, 30, tolerance_of(30, 1000.0, 5.0))
    assert split.look("south", 0).share_pct == 0.0
    assert (split.share_pct("west", 1000), split.share_pct("south")) == (30.0, 0.0)
    assert split.share_pct("west", 1001) is None


def test_the_look_backs_seconds_are_scrapes_times_their_distance():
    """Two scrapes of 2 s are four TTLs. None is longer than 80 s."""
    split = Split(shown(west=5000.0, east=5000.0), 2.0, 5.0, resolvers=100, ttl_s=1.0)
    draws = draws_of(10000, 4.0, 100, 1.0)
    assert split.look("west", 50).tolerance_pct == tolerance_of(50, draws, 5.0)
    assert Split(shown(), 4.0, 5.0)._look_backs() == [2, 3, 5, 10, 20]
    assert Split(shown(), 100.0, 5.0)._look_backs() == [2]


def test_a_look_that_must_tell_a_move_says_nothing_by_a_wider_tolerance():
    """300 arrivals leave 8.7 points, where 6 are the most."""
    facts = shown(west=150.0, east=150.0)
    assert Split(facts, 1.0, 5.0).look("west", 50) is not None
    assert Split(facts, 1.0, 5.0, most_pct=6.0).look("west", 50) is None
    assert (needed_draws(50, 5.0), needed_draws(50, 5.0, 6.25)) == (225, 576)


@pytest.mark.parametrize(
    ("moved", "told"), [(10.0, 5.0), (9.9, None), (-14.0, 7.0), (40.0, 10.0), (0.0, None)]
)
def test_half_of_a_move_tells_it_from_none(moved, told):
    """No less than the contract's points, and no more than twice of them."""
    assert telling_pct(moved, 5.0) == told


@pytest.mark.parametrize("wanted", [-0.5, 0.0, 100.0, 100.5])
def test_all_and_none_have_no_standard_error(wanted):
    """Nor has what a rounding leaves beyond them."""
    assert tolerance_of(wanted, 30, 5.0) == 5.0


@pytest.mark.parametrize(("since_s", "seen"), [(994.0, True), (994.1, False)])
def test_a_look_counts_arrivals_of_its_scrapes_since_the_step(since_s, seen):
    """Two scrapes of 2 s, and one more for the first sample; no retries."""
    asked = []

    def increase(signal, seconds, kept):
        asked.append((signal, seconds, kept))
        return {"west": 100.0}

    facts = SimpleNamespace(newest_s=lambda signal: 1000.0, increase=increase)
    found = Split(facts, 2.0, 5.0, since_s=since_s)._counts(2)
    assert found == ({"west": 100.0} if seen else {})
    assert asked == ([("client_answers", 4.0, scheduled)] if seen else [])


def test_a_region_is_gone_by_as_many_arrivals_as_make_its_share_one():
    """50 for 2 %, 34 for 3 %."""
    for share_pct, needed in ((2.0, 50.0), (3.0, 34.0)):
        assert gone(Split(shown(east=needed), 1.0, 5.0), "west", share_pct) == 0.0
        assert gone(Split(shown(east=needed - 1), 1.0, 5.0), "west", share_pct) is None


def waited(share, seconds_max, still=lambda: True, every_s=1.0):
    """The wait by a clock that goes on by `every_s` a pause, and how long the pauses were."""
    now_s, pauses = [50.0], []

    def sleep(seconds):
        pauses.append(seconds)
        now_s[0] += every_s

    facts = SimpleNamespace(
        newest_s=lambda signal: 1000.0,
        increase=lambda *_: {"west": share(now_s[0]), "east": 1000.0 - share(now_s[0])},
    )
    weights = {"west": 50, "east": 50}
    split = Split(facts, 1.0, 5.0)
    took_s, looks = await_looks(split, weights, seconds_max, still, sleep, lambda: now_s[0])
    return took_s, looks["west"].holds, pauses


def test_a_wait_takes_from_its_begin_to_the_look_that_holds():
    """Three pauses of two looks' distance; its bound is the last moment at which it goes on."""
    assert waited(lambda t: 500.0 if t >= 53.0 else 900.0, 10.0) == (3.0, True, [2 * LOOK_S] * 3)
    assert waited(lambda t: 500.0 if t >= 53.0 else 900.0, 2.0) == (3.0, True, [2 * LOOK_S] * 3)
    assert waited(lambda t: 900.0, 2.0) == (None, False, [2 * LOOK_S] * 3)
    assert waited(lambda t: 900.0, 2.0, still=lambda: False) == (None, False, [])


def test_a_wait_without_its_looks_says_how_long_it_took():
    """The same wait."""
    split = Split(shown(west=500.0, east=500.0), 1.0, 5.0)
    weights = {"west": 50, "east": 50}
    clock = iter([50.0, 53.0])
    took_s = await_split(split, weights, 9.0, lambda: True, lambda s: None, lambda: next(clock))
    assert took_s == 3.0
    off, pauses = Split(shown(west=900.0, east=100.0), 1.0, 5.0), []
    clock = iter([50.0, 51.0, 52.0, 53.0])
    took_s = await_split(off, weights, 2.0, lambda: True, pauses.append, lambda: next(clock))
    assert (took_s, len(pauses)) == (None, 2)


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


def test_the_time_to_shift_runs_from_the_accepted_change():
    """Not from the moment when the steering API calls it spread: that time is the shift's own."""
    facts = Facts(stale_s=10)
    for number in range(30):
        west, east = 50 * min(number, 14), 50 * number
        facts.add([
            RawSeries("client_answers", "n", {"region": name}, (1000.0 + number,), (float(count),))
            for name, count in (("west", west), ("east", east))
        ])  # fmt: skip
    session = SimpleNamespace(facts=facts, gone_pct=1.0, accepted_at_s=1004.0, step_at_s=1012.0)
    assert observe.shift_seconds(session, "west") == 10.0
    session.accepted_at_s = 1020.0
    assert observe.shift_seconds(session, "west") in (None, 0.0)


def test_the_acceptance_of_a_change_is_when_the_api_took_it():
    """And it is what drill and watchdog go by as well."""
    told = []
    session = SimpleNamespace(
        clock=SimpleNamespace(now_s=lambda: 7.0, monotonic_s=lambda: 3.0),
        expected=SimpleNamespace(accepted=told.append),
        watchdog=SimpleNamespace(steered=lambda: told.append("steered")),
    )
    steered._accepted(session)
    assert session.accepted_at_s == 7.0
    assert told == [3.0, "steered"]
