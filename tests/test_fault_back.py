"""A change is read back within ten seconds of its revert, however long a look takes."""

from __future__ import annotations

import pytest
from held_clock import HeldClock
from hypothesis import given
from hypothesis import strategies as st

from muster.faults.back import BACK_S_MAX, TOO_LATE, await_back
from muster.faults.model import ReadBack

BACK = ReadBack("redis", "answers", "answers", True)
AWAY = ReadBack("redis", "answers", "refuses", False)


def read_back(*looks):
    """What comes of looks, each (seconds that it takes, what it finds); the last one stays."""
    clock, left = HeldClock(), list(looks)

    def look():
        took_s, found = left[0] if len(left) == 1 else left.pop(0)
        clock.advance(took_s)
        return found

    return await_back(look, clock), clock.passed_s


def test_the_limit_is_ten_seconds():
    """As the page of the faults says."""
    assert BACK_S_MAX == 10.0


def test_the_first_look_that_finds_it_back_is_the_answer():
    """After others that did not, or at once."""
    assert read_back((0.5, BACK)) == (BACK, 0.5)
    found, passed_s = read_back((1.0, AWAY), (1.0, AWAY), (1.0, BACK))
    assert found == BACK
    assert passed_s == pytest.approx(3.2)


@pytest.mark.parametrize(("took_s", "ok"), [(9.9, True), (10.0, True), (10.1, False), (60, False)])
def test_a_look_that_ends_too_late_is_not_back_whatever_it_found(took_s, ok):
    """The time that it takes counts: it is told that it came too late."""
    found, _ = read_back((took_s, BACK))
    assert found.ok is ok
    assert (TOO_LATE in found.actual) is not ok


def test_what_never_comes_back_ends_with_what_was_seen_last():
    """And no look begins that must end too late."""
    found, passed_s = read_back((0.3, AWAY))
    assert found == AWAY
    assert passed_s <= BACK_S_MAX


@given(st.lists(st.floats(0, 20), min_size=1, max_size=40), st.integers(0, 39))
def test_nothing_is_back_after_the_limit(takes_s, at):
    """For any looks: it counts as back exactly if a look found it so by then."""
    looks = [(one, BACK if number >= at else AWAY) for number, one in enumerate(takes_s)]
    found, passed_s = read_back(*looks)
    assert not (found.ok and passed_s > BACK_S_MAX)
    assert passed_s <= BACK_S_MAX + max(takes_s)
