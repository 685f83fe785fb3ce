"""Shares and weights: what a step asks for is what the records give."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muster.platform.steering import shares_of, weights_for
from muster.platform.steering.shares import WEIGHT_MAX

NAMES = st.text("abcdef", min_size=1, max_size=3)
WEIGHTS = st.dictionaries(NAMES, st.integers(0, WEIGHT_MAX), min_size=2, max_size=6)


@given(WEIGHTS)
def test_shares_add_up_to_a_hundred_or_to_nothing(weights):
    """Shares are percent of all weight; without any weight every share is 0."""
    total = sum(shares_of(weights).values())
    assert total == pytest.approx(100 if any(weights.values()) else 0)


@given(WEIGHTS, st.floats(0, 100), st.data())
def test_a_region_gets_its_share_and_the_rest_keeps_its_proportions(weights, share_pct, data):
    """Within rounding, and never past what Route 53 takes."""
    region = data.draw(st.sampled_from(sorted(weights)))
    others = [name for name in weights if name != region]
    rest = sum(weights[name] for name in others)
    assume(rest or share_pct == 100)
    after = weights_for(weights, region, share_pct)
    assert list(after) == list(weights)
    assert all(isinstance(weight, int) and 0 <= weight <= WEIGHT_MAX for weight in after.values())
    # Half a unit of rounding for each record, or a whole one where it would have become 0.
    assert shares_of(after)[region] == pytest.approx(share_pct, abs=len(weights) + 0.5)
    for name in others:
        wanted = (100 - share_pct) * weights[name] / rest if rest else 0
        assert after[name] == pytest.approx(wanted, abs=1)


@given(WEIGHTS, st.floats(0, 100), st.data())
def test_no_share_over_zero_becomes_weight_zero(weights, share_pct, data):
    """Rounding never takes a region out of rotation, and 0 always does."""
    region = data.draw(st.sampled_from(sorted(weights)))
    assume(sum(weights.values()) > weights[region] or share_pct == 100)
    after = weights_for(weights, region, share_pct)
    assert (after[region] > 0) == (share_pct > 0)
    for name, weight in weights.items():
        if name != region:
            assert (after[name] > 0) == (weight > 0 and share_pct < 100)


@given(st.integers(0, 100), st.integers(1, WEIGHT_MAX), st.integers(0, WEIGHT_MAX))
def test_whole_percents_of_two_regions_are_exact(share_pct, other, own):
    """A drill's steps of 25, 10 and 0 are what the records say, to the unit."""
    after = weights_for({"a": own, "b": other}, "a", share_pct)
    assert after == {"a": share_pct, "b": 100 - share_pct}


@pytest.mark.parametrize("share_pct", [-0.1, 100.1, float("nan"), float("inf")])
def test_a_share_outside_0_and_100_is_refused(share_pct):
    """No share is silently cut to the limits."""
    with pytest.raises(ValueError, match="must lie within 0 and 100"):
        weights_for({"a": 1, "b": 1}, "a", share_pct)


def test_nothing_left_to_carry_the_rest_is_refused():
    """Traffic is never taken from a region when no other has weight."""
    with pytest.raises(ValueError, match="no region other than a has weight"):
        weights_for({"a": 1, "b": 0}, "a", 50)
    assert weights_for({"a": 1, "b": 0}, "a", 100) == {"a": 100, "b": 0}


def test_a_region_without_a_record_is_refused():
    """A mistyped region does not move everyone else's traffic."""
    with pytest.raises(ValueError, match="c has no weight; known: a, b"):
        weights_for({"a": 1, "b": 1}, "c", 0)
