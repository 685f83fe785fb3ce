"""Marks of a chart: numbered, and never one over another."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from muster.reports.chart_model import Axis, Chart, NumberedMark, clock_ticks, log_ticks
from muster.reports.svg import draw

X_END_S = 400.0
SVG = "{http://www.w3.org/2000/svg}"


def circles(*at_s: float, kind: str = "step") -> list[tuple[float, float]]:
    """Where the circle of each mark stands, as far as it is drawn."""
    marks = tuple(NumberedMark(i, t_s, f"m{i}", kind) for i, t_s in enumerate(at_s, start=1))
    axis = Axis(0.0, X_END_S, marks=marks)
    chart = Chart("c", "title", "", "alt", "y", 1.0, (), axis)
    found = ElementTree.fromstring(draw(chart)).iter(f"{SVG}circle")
    return [(float(one.get("cx", "")), float(one.get("cy", ""))) for one in found]


@pytest.mark.parametrize(
    ("at_s", "shown"),
    [((100, 200, 300), 3), ((100, 101, 200), 3), ((100, 101, 102, 103, 399), 3), ((), 0)],
)
def test_numbers_keep_apart(at_s: tuple[float, ...], shown: int) -> None:
    """A number without room in either row is left out; its line and its legend entry stay."""
    found = circles(*at_s)
    assert len(found) == shown
    for row in {y for _, y in found}:
        inside = sorted(x for x, y in found if y == row)
        assert all(right - left >= 15 for left, right in pairwise(inside))


def test_the_axis_shows_round_times_of_day() -> None:
    """Whole steps in UTC, wherever the drill began, and never more than asked for."""
    for start_s, end in ((1_795_000_003.7, 95.0), (0.0, 7200.0), (59.0, 1.5)):
        found = clock_ticks(start_s, end, 9)
        assert len(found) <= 10
        steps = {round(b - a, 6) for (_, a), (_, b) in pairwise(found)}
        assert len(steps) <= 1
        assert all(epoch % (min(steps) if steps else 1) == 0 for _, epoch in found)
        assert all(0 <= t <= end for t, _ in found)


def test_a_logarithmic_axis_has_round_values_within_it() -> None:
    """And none where there is nothing to show."""
    assert log_ticks(0.3, 3.0) == [0.5, 1.0, 2.0]
    assert log_ticks(0.0, 3.0) == log_ticks(3.0, 3.0) == []
