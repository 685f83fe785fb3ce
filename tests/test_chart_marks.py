"""Labels of a chart's marks stand beside their lines and never over one another."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from muster.reports.chart_model import LABEL_PX, WIDTH, Chart
from muster.reports.charts import draw
from muster.reports.model import Mark

X_END_S = 400.0
SVG = "{http://www.w3.org/2000/svg}"


def spans(*marks: Mark) -> dict[str, tuple[float, float]]:
    """Where the label of each mark begins and ends, in pixels, as far as it is drawn."""
    chart = Chart("c", "title", "", "alt", "s", "y", X_END_S, 1.0, (), marks=marks)
    found = {}
    for text in ElementTree.fromstring(draw(chart)).iter(f"{SVG}text"):
        label = "".join(text.itertext())
        if label not in {mark.label for mark in marks}:
            continue
        place = re.match(r"translate\(([-\d.]+)", text.get("transform", ""))
        assert place is not None
        at, size = float(place[1]), len(label) * LABEL_PX
        found[label] = (at - size, at) if text.get("text-anchor") == "end" else (at, at + size)
    return found


def steps(*at_s: float) -> list[Mark]:
    return [Mark(t_s, f"step to {number * 25} %", "step") for number, t_s in enumerate(at_s)]


@pytest.mark.parametrize(
    ("at_s", "shown"),
    [
        ((100, 200, 300), 3),
        ((100, 110, 200), 2),  # the second would begin within the first
        ((340, 370, 395), 1),  # the others would stand left of their lines, over the first
        ((300, 395), 2),
    ],
)
def test_labels_keep_apart_up_to_the_charts_end(at_s: tuple[float, ...], shown: int) -> None:
    """A label that has no room is left out, whichever side of its line it would stand on."""
    found = sorted(spans(*steps(*at_s)).values())
    assert len(found) == shown
    assert all(end <= begin for (_, end), (begin, _) in pairwise(found))
    assert all(begin >= 0 and end <= WIDTH for begin, end in found)


def test_a_limit_that_fired_is_always_named() -> None:
    """Its label is drawn even where there is no room."""
    marks = [*steps(100), Mark(105, "stopped", "trip")]
    assert set(spans(*marks)) == {"step to 0 %", "stopped"}
