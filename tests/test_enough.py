"""What each part of a drill needs, figure by figure, and the scale that would bring it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from test_small_loads import PLAN, plan_at

from muster.drill.plan import enough
from muster.drill.plan.enough import Need
from muster.drill.sight.split import needed_draws


def steps(*rows, scale=0.1):
    """The plan with another method: rows of (function, arguments)."""
    [first, *_] = PLAN.method
    method = tuple(replace(first, name=n, func=n, arguments=arguments) for n, arguments in rows)
    return replace(plan_at(scale), method=method)


def told(plan):
    return [
        (n.what, n.seconds, round(n.expected), n.needed, n.split) for n in enough.needs_of(plan)
    ]


def test_each_phase_and_each_step_needs_its_own():
    """Of 281 arrivals and 50 canaries a second, six times as fast; a second tier in the dark."""
    assert told(plan_at(0.1)) == [
        ("arrivals of baseline, Tier X", 50.0, 14073, 334, False),
        ("canaries of baseline, Tier X", 50.0, 2500, 2000, False),
        ("arrivals of dark, Tier G", 110.0, 30960, 200, False),
        ("canaries of dark, Tier G", 110.0, 5500, 1000, False),
        # 1,000 resolver caches, and as many again for each minute of the look-back.
        ("split at the steps of evacuate", 80.0, 2333, needed_draws(25, 5), True),
        ("split at the steps of restore", 80.0, 2333, needed_draws(50, 5), True),
    ]


def test_only_holds_of_a_known_length_and_steps_of_the_traffic_need_anything():
    """Whatever else has minutes; what has none is as long as it must be."""
    plan = steps(
        ("dark", {}),
        ("recovery", {"minutes": 3}),
        ("failed_over", {"minutes": 2}),
        ("evacuate", {"shares_pct": [0]}),
        ("restore", {}),
    )
    assert told(plan) == [
        ("arrivals of failed_over, Tier G", 20.0, 5629, 200, False),
        ("canaries of failed_over, Tier G", 20.0, 1000, 1000, False),
        ("split at the steps of evacuate", 80.0, 2333, 100, True),
        ("split at the steps of restore", 80.0, 2333, 225, True),
    ]
    assert told(steps(("evacuate", {}))) == []


@pytest.mark.parametrize(
    ("shares", "needed"), [([5], needed_draws(5, 5)), ([1], needed_draws(1, 5)), ([5, 0], 100)]
)
def test_a_region_is_seen_to_be_left_by_a_hundred_and_only_where_it_is(shares, needed):
    """The last step decides where it needs the most."""
    [need] = enough.needs_of(steps(("evacuate", {"shares_pct": shares})))
    assert need.needed == needed
    assert needed_draws(5, 5) < 100


def test_a_region_left_to_a_tenth_is_seen_by_ten():
    """As the contract says what is next to none."""
    plan = steps(("evacuate", {"shares_pct": [0]}))
    rules = plan.contract.drill.model_copy(update={"shifted_share_max": Fraction(1, 10)})
    plan = replace(plan, contract=plan.contract.model_copy(update={"drill": rules}))
    assert [need.needed for need in enough.needs_of(plan)] == [10]


def test_canaries_come_at_any_scale():
    """Too few of them are said, and no other scale would bring more."""
    profile = PLAN.profile.model_copy(update={"canaries_per_s": 1})
    plan = replace(plan_at(0.1), profile=profile)
    lines = list(enough.lines(plan))
    assert "  canaries of baseline, Tier X: 50 expected in 50 s, 2,000 needed: TOO FEW" in lines
    assert "  arrivals of baseline, Tier X: 14,073 expected in 50 s, 334 needed" in lines
    assert enough.smallest_scale(plan) is None
    assert not [line for line in lines if "--var" in line]


def test_a_load_of_next_to_nothing_needs_the_same_scale():
    """A tenth of an arrival is expected, and 334 with half as many again are wanted."""
    assert enough.smallest_scale(plan_at(1e-6)) == enough.smallest_scale(plan_at(1e-3)) == 0.004


@pytest.mark.parametrize(
    ("scale", "rounded"),
    [
        (0.0121, 0.013),
        (0.999, 0.999),
        (1.0, 1.0),
        (1.2, 1.2),
        (1.21, 1.3),
        (12.3, 13),
        (123.4, 130),
    ],
)
def test_a_scale_is_rounded_up_to_what_a_person_types(scale, rounded):
    """Two digits from 1 on, thousandths below."""
    assert enough._rounded_up(scale) == rounded


@pytest.mark.parametrize(
    ("rates", "needed"),
    [
        ({"rate_5xx_max": Fraction(1, 400)}, 400),
        ({"rate_429_max": Fraction(1, 500)}, 500),
        ({"success_2xx_min": Fraction(599, 600)}, 600),
    ],
)
def test_the_finest_rate_of_a_tier_decides(rates, needed):
    """One bad attempt must be no more than the share."""
    tier = PLAN.contract.tiers["G"].model_copy(update=rates)
    assert enough._smallest(tier) == needed


@pytest.mark.parametrize(
    ("needed", "reached", "hopeless"), [(64, True, False), (65, False, False), (88, False, False)]
)
def test_what_three_standard_errors_could_bring_is_not_hopeless(needed, reached, hopeless):
    """64 are expected, and three times the root of them more would be 88."""
    need = Need("x", 10.0, 64.0, needed)
    assert (need.enough, need.hopeless) == (reached, hopeless)
    assert Need("x", 10.0, 64.0, 89).hopeless
