"""The index page: every drill a row, every figure a point, each of them a link to its report."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from past_drills import past_bundle

from muster.bundle import seal
from muster.reports.history.against import write_against
from muster.reports.history.read import history
from muster.reports.trends.page import write_index
from muster.reports.trends.scale import time_ticks, value_ticks
from muster.reports.trends.view import GROUPS_MAX, page_of


def written(out_dir):
    return write_index(out_dir, history(out_dir)).read_text()


def test_every_drill_is_a_link_and_so_is_every_point(tmp_path):
    """To the report in the drill's own directory."""
    bundles = [past_bundle(tmp_path, 14 * k, timings={"shift_s": 14.0 + k}) for k in range(4)]
    text = written(tmp_path)
    for bundle in bundles:
        # One in the strip, one in the table, one in each of the five charts that have the figure.
        assert text.count(f'href="./{bundle.name}/report.html"') == 7
    assert "Trip to restored" not in re.findall(r"<b>(.*?)</b>", text)


def test_a_figure_stands_where_its_value_is(tmp_path):
    """Later is further right, more is further up."""
    for k, shift_s in enumerate((10.0, 30.0, 20.0)):
        past_bundle(tmp_path, 14 * k, timings={"shift_s": shift_s})
    (group,) = page_of(history(tmp_path), {}).groups
    chart = next(one for one in group.charts if one.title == "Time to shift")
    xs, ys = [p.x for p in chart.points], [p.y for p in chart.points]
    assert xs == sorted(xs)
    assert ys[1] < ys[2] < ys[0]
    assert chart.latest == "last 20.0\u00a0s, median of passes 20.0\u00a0s"


def test_kinds_are_apart_and_planted_defects_are_in_the_table_only(tmp_path):
    """A drill that was meant to fail is no trend."""
    past_bundle(tmp_path, 0)
    past_bundle(tmp_path, 1, target="production")
    past_bundle(tmp_path, 2, defect="queue_stuck", verdict="FAIL")
    page = page_of(history(tmp_path), {})
    assert [group.title for group in page.groups] == [
        "region_failover on production",
        "region_failover on staging",
    ]
    assert len(page.rows) == 3


def test_more_kinds_than_one_looks_at_are_counted(tmp_path):
    """The latest have charts."""
    (past,) = history_of_one(tmp_path)
    many = [replace(past, target=f"t{k}") for k in range(GROUPS_MAX + 3)]
    page = page_of(many, {})
    assert len(page.groups) == GROUPS_MAX
    assert page.left_out.startswith("3 older kinds")


def history_of_one(tmp_path):
    past_bundle(tmp_path, 0)
    return history(tmp_path)


def test_a_regression_of_the_last_drill_is_called_out(tmp_path):
    """As its own bundle says it."""
    past_bundle(tmp_path, 0)
    now = past_bundle(tmp_path, 14, timings={"shift_s": 60.0}, sealed=False)
    write_against(now)
    seal(now)
    text = written(tmp_path)
    assert "fell behind the last one that passed" in text
    assert "Time to shift: 14.0\u00a0s → 60.0\u00a0s" in text


def test_a_drill_without_an_intact_seal_shows_no_outcome(tmp_path):
    """Nor a point in any chart."""
    past_bundle(tmp_path, 0)
    (past_bundle(tmp_path, 14) / "verdict.json").write_text('{"verdict": "PASS"}')
    page = page_of(history(tmp_path), {})
    assert [(css, n) for css, _, n in page.counts] == [("pass", 1), ("none", 1)]
    assert all(len(chart.points) == 1 for chart in page.groups[0].charts)


def test_an_outcome_that_was_asked_for_without_a_seal_is_marked(tmp_path):
    """And an intact bundle without a verdict is unreadable, not of its seal's word."""
    past_bundle(tmp_path, 0, sealed=False)
    (drill, _), *_ = page_of(history(tmp_path, unsealed=True), {}).rows
    assert (drill.verdict, drill.css) == ("PASS [UNSEALED]", "none")
    bundle = past_bundle(tmp_path, 1, sealed=False)
    (bundle / "verdict.json").write_text("{")
    seal(bundle)
    (drill, _), *_ = page_of(history(tmp_path), {}).rows
    assert (drill.verdict, drill.css) == ("UNREADABLE", "none")


HOSTILE = '"><script>alert(1)</script>'


def test_hostile_names_stay_text(tmp_path):
    """Of the target, of the drill and of the directory."""
    past_bundle(tmp_path, 0, target=HOSTILE, drill=HOSTILE, stopped_by=HOSTILE)
    past_bundle(tmp_path, 1, name="javascript:alert(1)")
    text = written(tmp_path)
    assert "<script" not in text
    assert 'href="./javascript%3Aalert%281%29/report.html"' in text
    assert "default-src 'none'" in text


def test_no_drill_is_a_page_that_says_so(tmp_path):
    """And an unfinished one has a row."""
    assert "No drill yet." in written(tmp_path)
    (tmp_path / "empty").mkdir()
    assert 'href="./empty/"' in written(tmp_path)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_value_ticks_enclose_the_values(low, span):
    """In equal steps, and not too many."""
    ticks = value_ticks(low, low + span)
    assert 2 <= len(ticks) <= 7
    assert ticks == sorted(ticks)
    slack = 1e-6 * max(1.0, abs(low) + span)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack


@given(st.floats(1.6e9, 2e9), st.floats(0, 5 * 366 * 86_400))
def test_time_ticks_lie_between_the_ends(start_s, span_s):
    """In order, and not too many for their width."""
    found = time_ticks(start_s, start_s + span_s)
    moments = [t for t, _ in found]
    assert moments == sorted(moments)
    assert len(found) <= 9
    assert all(start_s <= t <= start_s + span_s for t in moments)


@pytest.mark.parametrize(("days", "labels"), [(10, "4 Mar"), (400, "Apr 2026")])
def test_time_is_told_in_days_or_months(days, labels):
    """As wide as the history is."""
    start_s = 1772532000.0  # 2026-03-03 10:00 UTC
    assert time_ticks(start_s, start_s + days * 86_400)[0][1] == labels
