"""How many independent draws arrivals through resolver caches are worth, against those caches."""

from __future__ import annotations

import random
from collections import Counter
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_load_resolvers import World

from muster.drill.sight.split import draws_of, least
from muster.load.resolvers import Resolved

CELLS_MIN = 2000
"""Answers in use in the windows of one example: their mean is then known to a few percent."""


class Numbered(World):
    """Every query gets an answer of its own."""

    def ask(self, callback):
        self.answer = Resolved((f"answer {self.queries}",), self.answer.ttl_s)
        super().ask(callback)


def uses(rate, window_s, size, ttl_s, rng):
    """How often each answer was used in one window, by arrivals at that rate.

    Through the load's own caches, each of which has its own moment of the TTL.
    """
    world = Numbered(size, ttl_s=ttl_s)
    used = Counter()
    for cache in world.population.caches:
        world.t = rng.expovariate(rate / size) - 2 * (ttl_s + size / rate) - rng.uniform(0, ttl_s)
        while world.t < window_s:
            answer = world.use(cache)
            if world.t >= 0:
                used[answer] += 1
            world.t += rng.expovariate(rate / size)
    return used.values()


@given(
    a_cache=st.floats(0.1, 8.0),
    ttls=st.floats(0.1, 12.0),
    size=st.integers(1, 60),
    ttl_s=st.sampled_from((1.0, 5.0, 60.0)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=30, deadline=None)
def test_the_caches_of_the_load_share_as_many_answers_as_are_expected(
    a_cache, ttls, size, ttl_s, seed
):
    """`a_cache`: arrivals of a cache in a TTL; `ttls`: TTLs of the window."""
    rng = random.Random(seed)
    window_s, rate = ttls * ttl_s, a_cache * size / ttl_s
    cells, squares = 0, []
    while cells < CELLS_MIN:
        found = uses(rate, window_s, size, ttl_s, rng)
        cells += len(found)
        squares.append(sum(n * n for n in found))
    # The variance of a share is the sum of the squares of what each answer brought, by N squared.
    expected = rate * window_s
    worth = expected**2 / (sum(squares) / len(squares))
    assert draws_of(expected, window_s, size, ttl_s) == pytest.approx(worth, rel=0.12)


@given(
    arrivals=st.floats(1, 1e7),
    window_s=st.floats(0.1, 100),
    resolvers=st.integers(1, 5000),
    ttl_s=st.floats(0.1, 300),
)
def test_more_of_anything_is_never_worth_less(arrivals, window_s, resolvers, ttl_s):
    """Arrivals and caches bring draws, a longer TTL takes them; never more than the arrivals."""
    draws = draws_of(arrivals, window_s, resolvers, ttl_s)
    exact = 1 + 1e-9
    assert 0 < draws < arrivals * exact
    assert draws <= draws_of(2 * arrivals, window_s, resolvers, ttl_s) * exact
    assert draws <= draws_of(arrivals, window_s, 2 * resolvers, ttl_s) * exact
    assert draws >= draws_of(arrivals, window_s, resolvers, 2 * ttl_s) / exact
    assert draws >= draws_of(arrivals, window_s, resolvers, 0.0) / exact
    assert draws <= draws_of(inf, window_s, resolvers, ttl_s) * exact


@pytest.mark.parametrize(
    ("arrivals", "window_s", "resolvers", "ttl_s", "draws"),
    [
        (500, 10.0, 0, 5.0, 500),  # caches are not known: every arrival is a draw
        (0, 10.0, 100, 5.0, 0),
        (300, 10.0, 100, 0.0, 75),  # each cache asks once: N C / (N + C)
        (inf, 10.0, 100, 0.0, 100),
        (inf, 5.0, 100, 5.0, 150),  # a window of one TTL: 1 / (1 - 1/3) answers a cache
        (inf, 10.0, 100, 5.0, 240),  # of two: 1 / (1/2 - 1/12)
        (inf, 2.5, 100, 5.0, 120),  # of half of one: 1 / (1 - 1/6)
        (100, 5.0, 100, 5.0, 600 / 11),  # one arrival a TTL: half of them ask
    ],
)
def test_what_arrivals_are_worth(arrivals, window_s, resolvers, ttl_s, draws):
    """By hand; `inf` is what no number of arrivals exceeds."""
    assert draws_of(arrivals, window_s, resolvers, ttl_s) == pytest.approx(draws)


@given(start=st.integers(1, 100), more=st.integers(0, 10**6))
def test_the_least_number_that_is_enough(start, more):
    """From the start on, and found in few questions."""
    asked = []
    bound = start + more

    def enough(number):
        asked.append(number)
        return number >= bound

    assert least(start, enough) == bound
    assert len(asked) <= 45
