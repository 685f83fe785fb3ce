"""What each part of a drill needs, figure by figure, and the scale that would bring it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
        # Of 22,516 arrivals: 1,000 resolver caches hold an answer for 5 s of the 80 s.
        ("split at the steps of evacuate", 80.0, 7663, needed_draws(25, 5), True),
        ("split at the steps of restore", 80.0, 7663, needed_draws(50, 5), True),
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
        ("split at the steps of evacuate", 80.0, 7663, 100, True),
        ("split at the steps of restore", 80.0, 7663, 225, True),
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
    need = Need("x", 10.0, 64.0, needed, 1.0)
    assert (need.enough, need.hopeless) == (reached, hopeless)
    assert Need("x", 10.0, 64.0, 89, 1.0).hopeless


@pytest.mark.parametrize(("minutes", "scale", "per_s"), [(5, 1.0, 50), (5, 0.1, 50), (60, 0.1, 5)])
def test_canaries_are_as_many_as_the_scale_and_no_fewer_than_the_shortest_hold_needs(
    minutes, scale, per_s
):
    """50 a second at scale 1; 2,000 and half as many again in 50 s would be 60 a second."""
    plan = steps(("baseline", {"minutes": minutes}), ("dark", {"minutes": minutes}), scale=scale)
    assert enough.canaries_per_s(plan) == pytest.approx(per_s)


def test_the_shortest_hold_and_its_tier_say_how_many_canaries():
    """1,000 and half as many again in 100 s; a hold of no length asks for none."""
    plan = steps(("dark", {"minutes": 10}), ("failed_over", {"minutes": 40}), scale=0.01)
    assert enough.canaries_per_s(plan) == pytest.approx(15.0)
    plan = steps(("dark", {"minutes": 10}), ("failed_over", {"minutes": 0}), scale=0.01)
    assert enough.canaries_per_s(plan) == pytest.approx(15.0)
    plan = steps(("dark", {"minutes": 0.1}), ("failed_over", {"minutes": 40}), scale=0.01)
    assert enough.canaries_per_s(plan) == pytest.approx(50.0)
    assert enough.canaries_per_s(steps(("evacuate", {}), scale=0.01)) == pytest.approx(50.0)


@pytest.mark.parametrize("func", ["shifted", "shift_back"])
def test_a_small_shifts_holds_are_judged_too(func):
    """By the drill's tier."""
    arrivals, canaries = enough.needs_of(steps((func, {"minutes": 2})))
    assert (arrivals.what, arrivals.seconds) == (f"arrivals of {func}, Tier G", 20.0)
    assert canaries.what == f"canaries of {func}, Tier G"


@pytest.mark.parametrize(("pct", "draws"), [(40, (50, 40 * 0.5 / 2)), (25, (50, 12.5 / 2))])
def test_a_small_shift_needs_what_tells_it_from_none(pct, draws):
    """Two regions: of 50 points so many go, and half of that is the widest tolerance."""
    share, most = draws
    [need] = enough.needs_of(steps(("shift_share", {"share_pct": pct})))
    assert (need.what, need.split) == ("split after the shift", True)
    wanted = [needed_draws(one, 5, most) for one in (share, share - 2 * most)]
    assert need.needed == max(wanted)


def test_a_shift_within_the_tolerance_needs_what_any_look_needs():
    """5 of 50 points: no arrivals tell it from none. It has 225 arrivals, a few to one answer."""
    [need] = enough.needs_of(steps(("shift_share", {"share_pct": 10}), scale=0.001))
    assert (need.needed, round(need.expected)) == (needed_draws(50, 5), 219)


def test_the_shares_of_a_small_shift_follow_the_number_of_regions():
    """A third each: 15 points less of one are 18.3."""
    plan = steps(("shift_share", {"share_pct": 45}))
    regions = dict.fromkeys("abc", next(iter(plan.target.regions.values())))
    plan = replace(plan, target=plan.target.model_copy(update={"regions": regions}))
    [need] = enough.needs_of(plan)
    assert need.needed == needed_draws(100 / 3, 5, 7.5) > needed_draws(100 / 3 - 15, 5, 7.5)


def test_too_few_resolver_caches_are_told_by_their_number():
    """No scale makes more of 10: they hold an answer for 5 s, so that 80 s bring 163 at most."""
    profile = PLAN.profile.model_copy(update={"resolver_caches": 10})
    plan = replace(steps(("evacuate", {"shares_pct": [50]})), profile=profile)
    [need] = enough.needs_of(plan)
    # 225 and half as many again, of some 16 draws a cache.
    assert (round(need.expected), need.needed, need.caches) == (161, 225, 22)
    assert enough.smallest_scale(plan) is None
    assert list(enough.lines(plan))[-1] == (
        "  too few resolver caches: set resolver_caches: 22 in the profile"
    )
    few = replace(plan, profile=profile.model_copy(update={"resolver_caches": 5}))
    assert enough.too_few(few) == (
        "split at the steps of evacuate: about 81 independent arrivals in 80 s through 5 "
        f"resolver caches, 225 are needed; set resolver_caches: 22 in the profile {profile.name}"
    )


def test_too_few_arrivals_and_caches_are_told_together():
    """A thousandth of the arrivals, over 5 caches: neither alone would do."""
    profile = PLAN.profile.model_copy(update={"resolver_caches": 5})
    plan = replace(steps(("evacuate", {"shares_pct": [50]}), scale=0.0001), profile=profile)
    [need] = enough.needs_of(plan)
    scale = enough.smallest_scale(plan)
    assert (need.caches > 5, need.times > 10) == (True, True)
    assert enough.too_few(plan).endswith(
        f"; scale {scale:g} with resolver_caches: {need.caches} in the profile {profile.name} "
        "would be enough"
    )


@given(
    scale=st.floats(0.0001, 1.0),
    caches=st.integers(1, 2000),
    share=st.sampled_from([0, 25, 50]),
    ttl_s=st.sampled_from([1, 5, 60]),
)
def test_what_would_bring_enough_does(scale, caches, share, ttl_s):
    """With the scale and the caches that are told, the split has half as many again."""
    plan = replace(
        steps(("evacuate", {"shares_pct": [share]}), scale=scale),
        profile=PLAN.profile.model_copy(update={"resolver_caches": caches}),
    )
    dns = plan.target.testbed.dns.model_copy(update={"ttl_s": ttl_s})
    testbed = plan.target.testbed.model_copy(update={"dns": dns})
    plan = replace(plan, target=plan.target.model_copy(update={"testbed": testbed}))
    [need] = enough.needs_of(plan)
    told = enough.smallest_scale(plan)
    if need.enough:
        assert (told, need.caches, enough.too_few(plan)) == (None, 0, "")
        return
    assert told is not None or need.caches
    settings = plan.settings if told is None else plan_at(told).settings
    profile = plan.profile.model_copy(update={"resolver_caches": need.caches or caches})
    [then] = enough.needs_of(replace(plan, settings=settings, profile=profile))
    assert then.expected >= need.needed * enough.ENOUGH
    assert enough.too_few(replace(plan, settings=settings, profile=profile)) == ""


def test_caches_that_are_just_enough_limit_nothing():
    """161 draws, where a region with one of 161 was left."""
    plan = steps(("evacuate", {"shares_pct": [0]}))
    rules = plan.contract.drill.model_copy(update={"shifted_share_max": Fraction(1, 161)})
    profile = PLAN.profile.model_copy(update={"resolver_caches": 10})
    contract = plan.contract.model_copy(update={"drill": rules})
    [need] = enough.needs_of(replace(plan, profile=profile, contract=contract))
    assert (round(need.expected), need.needed, need.enough, need.caches) == (161, 161, True, 0)


def test_records_off_a_testbed_are_taken_to_live_for_a_minute():
    """They are read when the drill begins: 1,000 caches are asked again after 60 s."""
    plan = steps(("evacuate", {"shares_pct": [50]}))
    plan = replace(plan, target=plan.target.model_copy(update={"testbed": None}))
    [need] = enough.needs_of(plan)
    assert round(need.expected) == 1593


def test_the_arrivals_and_the_canaries_are_told_first():
    """In tenths, at the scale that was asked for."""
    [first, *_] = enough.lines(plan_at(0.1))
    assert first == "arrivals: 281.5 a second at scale 0.1, and 50.0 canaries a second"
    assert list(enough.lines(steps(("recovery", {})))) == []
