"""Two drills compared: figures by tolerances, samples by rank, and only drills of one kind."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from past_drills import finding, past_bundle

from muster.bundle import check_seal, seal
from muster.cli.compare import compare as compare_command
from muster.errors import BadInput
from muster.reports.history.against import write_against
from muster.reports.history.compare import compare
from muster.reports.history.figures import FIGURES
from muster.reports.history.kept import FILE, read_against
from muster.reports.history.ranks import rank_test
from muster.reports.history.read import nothing_runs, read_past
from muster.reports.history.sides import side_of

COUNTS = st.dictionaries(
    st.integers(0, 30).map(float), st.integers(0, 500).map(float), min_size=1, max_size=12
)


def side(bundle):
    return side_of(bundle, read_past(bundle, (), nothing_runs))


def marks(before, after):
    return {row.title: row.mark for row in compare(side(before), side(after)).rows}


def test_drills_alike_differ_in_nothing(tmp_path):
    """The same figures, and the same latencies."""
    found = marks(past_bundle(tmp_path, 0), past_bundle(tmp_path, 14))
    assert set(found.values()) == {"same", "unknown"}
    assert [title for title, mark in found.items() if mark == "unknown"] == ["Completion p95"]


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"timings": {"shift_s": 22.0}}, "Time to shift"),
        ({"timings": {"drain_s": 30.0}}, "Time to drain"),
        ({"timings": {"restore_s": 40.0}}, "Time to restore"),
        ({"hurt": 200}, "Users hurt"),
        ({"first_token_s": 1.2}, "First token p95"),
        ({"verdict": "FAIL"}, "Verdict"),
        ({"verdict": "ROLLBACK_FAILED"}, "Verdict"),
    ],
)
def test_what_got_worse_is_marked_and_the_way_back_is_better(tmp_path, change, title):
    """One change at a time, and nothing else is worse."""
    before, after = past_bundle(tmp_path, 0), past_bundle(tmp_path, 14, **change)
    assert [t for t, mark in marks(before, after).items() if mark == "worse"] == [title]
    assert [t for t, mark in marks(after, before).items() if mark == "better"] == [title]


@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "ABORTED"])
def test_a_drill_that_shows_nothing_is_neither_better_nor_worse(tmp_path, verdict):
    """Whether the platform would have passed is unknown."""
    before, after = past_bundle(tmp_path, 0), past_bundle(tmp_path, 14, verdict=verdict)
    assert marks(before, after)["Verdict"] == "unknown"


def test_noise_is_no_change(tmp_path):
    """Within either tolerance: a few seconds, or a share of the earlier value."""
    before = past_bundle(tmp_path, 0, timings={"shift_s": 40.0}, hurt=100)
    after = past_bundle(tmp_path, 14, timings={"shift_s": 49.0, "drain_s": 14.5}, hurt=118)
    assert "worse" not in marks(before, after).values()


def test_a_figure_that_one_drill_lacks_is_unknown(tmp_path):
    """And one that neither has is not shown."""
    before = past_bundle(tmp_path, 0, timings={"trip_to_restored_s": 9.0})
    found = marks(before, past_bundle(tmp_path, 14))
    assert found["Trip to restored"] == "unknown"
    assert "Trip to restored" not in marks(past_bundle(tmp_path, 1), past_bundle(tmp_path, 2))


def test_a_finding_that_passed_and_fails_is_worse_and_a_lost_one_unknown(tmp_path):
    """Named by what it judged."""
    one = finding("rate_5xx", 0.1, 0.5, "%")
    before = past_bundle(tmp_path, 0, findings=[one])
    fails = past_bundle(tmp_path, 1, findings=[one | {"status": "fail"}])
    gone = past_bundle(tmp_path, 2)
    title = "5xx rate, evacuate..restore, client"
    assert marks(before, fails)[title] == "worse"
    assert marks(fails, before)[title] == "better"
    assert marks(before, gone)[title] == "unknown"


@pytest.mark.parametrize(
    "other",
    [
        {"target": "production"},
        {"profile": "m4_50k"},
        {"scale": 0.1},
        {"time_scale": 6.0},
        {"drill": "redis_outage"},
        {"defect": "queue_stuck"},
    ],
)
def test_drills_of_different_kinds_are_not_marked(tmp_path, other):
    """Their differences say nothing about the platform."""
    found = compare(
        side(past_bundle(tmp_path, 0)),
        side(past_bundle(tmp_path, 14, timings={"shift_s": 99.0}, **other)),
    )
    assert {row.mark for row in found.rows} == {"unknown"}
    assert found.unlike[0].startswith(next(iter(other)))


def test_too_few_samples_decide_nothing(tmp_path):
    """Nineteen streams are an anecdote."""
    before, after = side(past_bundle(tmp_path, 0)), side(past_bundle(tmp_path, 14))
    few = replace(after, latencies={"first_token": {9.0: 19.0}})
    row = next(r for r in compare(before, few).rows if r.title == "First token p95")
    assert (row.mark, row.note) == ("unknown", "too few samples to test")


@given(COUNTS, COUNTS)
def test_the_rank_test_agrees_with_counting_every_pair(before, after):
    """Superiority is the share of pairs in which the second is higher, ties counting half."""
    test = rank_test(before, after)
    n, m = sum(before.values()), sum(after.values())
    if min(n, m) < 20:
        assert test is None
        return
    pairs = sum(
        a * b * (1.0 if y > x else 0.5 if y == x else 0.0)
        for x, a in before.items()
        for y, b in after.items()
    )
    assert test.superiority == pytest.approx(pairs / (n * m))
    other = rank_test(after, before)
    assert other.p == pytest.approx(test.p, abs=1e-12)
    assert other.superiority == pytest.approx(1 - test.superiority)
    assert 0 <= test.p <= 1


def test_the_rank_test_of_two_values_is_that_of_two_proportions():
    """Known figures: 20 of 100 against 35 of 100, z = 2.3723 with pooled variance over n - 1."""
    test = rank_test({0.0: 80.0, 1.0: 20.0}, {0.0: 65.0, 1.0: 35.0})
    pooled = 55 / 200
    z = 0.15 / math.sqrt(pooled * (1 - pooled) * (2 / 100) * 200 / 199)
    assert test.p == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_values_all_alike_are_no_difference():
    """No spread, no evidence."""
    assert rank_test({1.0: 50.0}, {1.0: 70.0}).p == 1.0
    assert rank_test({}, {1.0: 70.0}) is None


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.sampled_from(FIGURES))
def test_a_mark_turns_around_with_its_drills(before, after, figure):
    """What is worse one way is never worse the other way."""
    there, back = figure.mark(before, after), figure.mark(after, before)
    assert {there, back} <= {"worse", "better", "same"}
    assert there != back or there == "same"


def test_unknown_is_never_the_same_as_a_value():
    """Nor as another unknown, unless the figure need not be there."""
    for figure in FIGURES:
        assert figure.mark(None, 1.0) == figure.mark(1.0, None) == "unknown"
        assert figure.mark(None, None) == ("absent" if figure.optional else "unknown")


def test_a_drill_is_held_against_the_last_of_its_kind_that_passed(tmp_path):
    """Not against a failed one, one of another kind, one that was altered, or a later one."""
    passed = past_bundle(tmp_path, 0)
    past_bundle(tmp_path, 1, target="production")
    (past_bundle(tmp_path, 2) / "load-0.jsonl").write_text("altered")
    last = past_bundle(tmp_path, 3, verdict="FAIL")
    past_bundle(tmp_path, 20)
    now = past_bundle(tmp_path, 14, timings={"shift_s": 60.0}, sealed=False)
    found = write_against(now)
    assert (found.last_passed, found.before) == (passed.name, last.name)
    assert found.verdict_before == "FAIL"
    assert [row.title for row in found.regressions] == ["Time to shift"]
    seal(now)
    assert read_against(now) == found


def test_only_drills_up_to_the_last_that_passed_are_read(tmp_path, monkeypatch):
    """A seal is checked over all of its evidence: a year of drills would outlast a drill's end."""
    past_bundle(tmp_path, 0)
    past_bundle(tmp_path, 1, target="production")
    passed = past_bundle(tmp_path, 2)
    failed = past_bundle(tmp_path, 3, verdict="FAIL")
    read = []

    def checked(bundle, *given, **named):
        read.append(bundle.name)
        return check_seal(bundle, *given, **named)

    monkeypatch.setattr("muster.reports.history.read.check_seal", checked)
    write_against(past_bundle(tmp_path, 4, sealed=False))
    assert read == [failed.name, passed.name]


def test_the_first_drill_of_its_kind_is_held_against_none(tmp_path):
    """And says so."""
    found = write_against(past_bundle(tmp_path, 0, sealed=False))
    assert (found.last_passed, found.before, found.rows) == ("", "", ())


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 1}', '{"schema_version": 9}'])
def test_a_comparison_that_cannot_be_read_is_none(tmp_path, text):
    """Also one of a later version."""
    bundle = past_bundle(tmp_path, 0)
    assert read_against(bundle) is None
    (bundle / FILE).write_text(text)
    assert read_against(bundle) is None


def test_a_comparison_with_an_unknown_mark_is_none(tmp_path):
    """It may come from anyone."""
    bundle = past_bundle(tmp_path, 0, sealed=False)
    past_bundle(tmp_path, -1)
    write_against(bundle)
    told = json.loads((bundle / FILE).read_text())
    told["rows"][0]["mark"] = "fine"
    (bundle / FILE).write_text(json.dumps(told))
    assert read_against(bundle) is None


def run(*arguments):
    found = CliRunner().invoke(compare_command, [*map(str, arguments)])
    if isinstance(found.exception, BadInput):
        return 2, str(found.exception)
    return found.exit_code, found.output


def test_the_command_says_what_got_worse_in_its_exit_code(tmp_path):
    """1 worse, 3 unknown, by id or by path."""
    a = past_bundle(tmp_path, 0)
    b = past_bundle(tmp_path, 14, timings={"shift_s": 60.0})
    code, said = run(a.name, b, "--out", tmp_path)
    assert code == 1
    assert "worse: Time to shift" in said
    assert run(a, a, "--out", tmp_path)[0] == 3
    told = json.loads(run(a, b, "--out", tmp_path, "--json")[1])
    assert told["after"]["shift_s"] == 60.0


def test_the_command_refuses_what_is_not_a_sealed_drill(tmp_path):
    """With the nearest id; `--unsealed` shows it all the same, marked."""
    a, b = past_bundle(tmp_path, 0), past_bundle(tmp_path, 14, sealed=False)
    code, said = run(a.name[:-1], a, "--out", tmp_path)
    assert (code, f"(did you mean {a.name}?)" in said) == (2, True)
    assert run(a, b, "--out", tmp_path)[0] == 2
    code, said = run(a, b, "--out", tmp_path, "--unsealed")
    assert (code, "[UNSEALED]" in said) == (3, True)


@pytest.mark.parametrize(
    ("first", "now", "said"),
    [
        (True, {"timings": {"shift_s": 60.0}}, "Fell behind"),
        (True, {"timings": {"shift_s": 8.0}}, "Nothing got worse"),
        (False, {}, "No earlier drill of this kind"),
    ],
)
def test_the_report_shows_how_the_drill_stands_to_the_last_that_passed(tmp_path, first, now, said):
    """In HTML and in Markdown, and only what changed."""
    from muster.reports.evidence import read_evidence
    from muster.reports.render import Drawn, html, markdown
    from muster.reports.view import build_view

    if first:
        past_bundle(tmp_path, 0)
    bundle = past_bundle(tmp_path, 14, sealed=False, **now)
    assert "Against the last drill" not in markdown(build_view(read_evidence(bundle)))
    write_against(bundle)
    view = build_view(read_evidence(bundle))
    for text, end in ((html(view, Drawn()), "</section>"), (markdown(view), "## Findings")):
        section = text.partition("Against the last drill that passed")[2].partition(end)[0]
        assert said in section
        assert ("Time to shift" in section, "Time to drain" in section) == (first, False)
    behind = said == "Fell behind"
    top = html(view, Drawn()).partition('<div class="tiles">')[0]
    assert ("Fell behind</a> the last drill that passed: Time to shift" in top) == behind
    assert ("Worse than in" in markdown(view)) == behind
