"""Numbers out of files that anybody may have written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.numbers import is_number

HUGE = 10**400


@given(st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False))
def test_what_one_can_compute_with_is_a_number(value):
    """Whole ones too."""
    assert is_number(value)
    assert math.isfinite(float(value))


@pytest.mark.parametrize("value", [True, None, "1", [1], {}, math.nan, math.inf, HUGE, -HUGE])
def test_anything_else_is_none(value):
    """A whole number that no float can hold is no infinity, and would raise."""
    assert not is_number(value)
