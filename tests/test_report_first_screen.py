"""What stands on the first screen of a report, verdict by verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muster.reports.chart_data import chart_data
from muster.reports.chart_model import INK, Axis, Chart, Stroke
from muster.reports.evidence import read_evidence
from muster.reports.lines import Line
from muster.reports.model import View
from muster.reports.postmortem import draft
from muster.reports.render import TONES, markdown
from muster.reports.view import build_view
from tests.report_bundle import Story, make

STOP = {"by": "operator", "verdict": "ABORTED", "detail": "by hand"}


def view_of(tmp_path: Path, story: Story) -> View:
    return build_view(read_evidence(make(tmp_path, story)))


def tile(view: View, label: str) -> str:
    return next(t.value for t in view.tiles if t.label == label).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (Story(), "All 85 findings that were judged hold"),
        (Story(verdict="FAIL", shed_share=0.06), "429 rate 6.07 % against ≤ 4 %"),
        (Story(verdict="ABORTED", stopped=STOP), "Stopped: an operator stopped it"),
        (Story(verdict="INCONCLUSIVE", fault_proven=False), "Nothing can be concluded: the effect"),
        (
            Story(verdict="ROLLBACK_FAILED", rollback_failed=True),
            "Not back: weight of eu-west-1 is 0, expected 128.",
        ),
    ],
)
def test_one_sentence_says_the_cause(tmp_path: Path, story: Story, said: str) -> None:
    """And it is one sentence."""
    cause = view_of(tmp_path, story).banner.cause.replace("\N{NO-BREAK SPACE}", " ")
    assert said in cause
    assert cause.count(". ") == 0


def test_who_stopped_it_in_which_phase_and_when(tmp_path: Path) -> None:
    """An abort names them; a drill that nothing stopped has no such line."""
    said = view_of(tmp_path / "a", Story(verdict="ABORTED", stopped=STOP)).banner.stop_line
    assert said.startswith("operator in dark at 11:")
    assert view_of(tmp_path / "b", Story()).banner.stop_line == ""


def test_back_is_said_only_of_what_was_read_back(tmp_path: Path) -> None:
    """Not when nobody looked, and never under ROLLBACK_FAILED."""
    assert tile(view_of(tmp_path / "a", Story()), "Everything back").startswith("✓ 11:11:29")
    bad = Story(verdict="ROLLBACK_FAILED", rollback_failed=True)
    assert tile(view_of(tmp_path / "b", bad), "Everything back") == "✗ NOT BACK"
    odd = Story(verdict="ROLLBACK_FAILED")
    assert tile(view_of(tmp_path / "c", odd), "Everything back") == "✗ NOT BACK"
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "verdict.json").write_text('{"schema_version": 1, "verdict": "PASS", "findings": []}')
    empty = build_view(read_evidence(bare))
    assert tile(empty, "Everything back") == "? not read back"
    assert empty.banner.cause == "What was judged holds."
    for label in ("Phase reached", "Worst margin", "Users hurt", "Times"):
        assert tile(empty, label) == "no data", label


def test_the_worst_margin_is_the_tightest_of_all(tmp_path: Path) -> None:
    """By its size against the limit; a miss is shown as one."""
    view = view_of(tmp_path, Story(verdict="FAIL", shed_share=0.06))
    worst = next(t for t in view.tiles if t.label == "Worst margin")
    assert worst.tone == "fail"
    assert "429 rate" in worst.note
    assert tile(view, "Users hurt").endswith(" %")


def test_what_is_unknown_counts_as_the_worst_margin(tmp_path: Path) -> None:
    """A drill that was cut short in an outage does not say that its limits held."""
    bundle = make(tmp_path, Story(verdict="INCONCLUSIVE", shed_share=0.06))
    told = json.loads((bundle / "verdict.json").read_text())
    for one in told["findings"]:
        one["status"] = "unknown" if one["status"] == "fail" else one["status"]
    (bundle / "verdict.json").write_text(json.dumps(told))
    view = build_view(read_evidence(bundle))
    worst = next(t for t in view.tiles if t.label == "Worst margin")
    assert (worst.tone, worst.note.endswith("not decided")) == ("unknown", True)


def test_what_never_ran_is_not_listed_piece_by_piece(tmp_path: Path) -> None:
    """One line names the phases that were never begun."""
    bundle = make(tmp_path, Story(verdict="ABORTED", stopped=STOP))
    ledger = bundle / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    lines[0]["phases"] = ["ramp", "restore", "verify", "later"]
    told = json.loads((bundle / "verdict.json").read_text())
    for slo in ("availability", "rate_5xx"):
        told["findings"].append({"slo": slo, "phase": "later", "status": "unknown"})
    (bundle / "verdict.json").write_text(json.dumps(told))
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    unknowns = build_view(read_evidence(bundle)).unknowns
    assert [u for u in unknowns if "later" in u] == ["never begun, so not judged: later"]


def test_each_verdict_has_a_look_of_its_own() -> None:
    """ABORTED does not look like FAIL, and ROLLBACK_FAILED like nothing else."""
    assert len(set(TONES.values())) == len(TONES) == 5


def test_chart_data_cannot_end_its_element() -> None:
    """A region's name is text, whatever is in it; a gap is null and infinity is off the scale."""
    import numpy as np

    line = Line("x", np.arange(3.0), np.asarray([1.0, np.nan, np.inf]))
    stroke = Stroke(line, "</script><!--&", INK)
    chart = Chart("c", "t", "", "a", "y", 1.0, (stroke,), Axis(0.0, 3.0))
    text = chart_data([chart])
    assert not set("<>&") & set(text)
    (drawn,) = json.loads(text)["charts"]
    assert drawn["lines"][0]["v"] == [1, None, -1]
    assert drawn["lines"][0]["label"] == "</script><!--&"


def test_the_draft_states_facts_and_leaves_blanks(tmp_path: Path) -> None:
    """Impact, trigger, detection and action items from the bundle; the rest is marked."""
    view = view_of(
        tmp_path,
        Story(
            verdict="FAIL",
            shed_share=0.06,
            trigger={"trigger": "rate_429", "region": "eu-central-1", "detail": "5.1 %"},
            stopped={"by": "trigger:rate_429", "verdict": "FAIL", "detail": "5.1 %"},
        ),
    )
    made = draft(view)
    assert dict(made.impact)["Rejected (429)"] != "0"
    assert made.detection[0] == "The guard's trigger rate_429 fired in eu-central-1: 5.1 %."
    assert made.actions[0].cause == "429 rate"
    text = markdown(view)
    for heading in (
        *("Summary", "Impact", "Trigger", "Detection", "Recovery", "Timeline (UTC)"),
        *("What went well", "What went wrong", "Where we were lucky", "Contributing factors"),
        *("Action items", "Charts"),
    ):
        assert f"\n## {heading}\n" in text, heading
    assert text.count("_(to fill in)_") > 10


def test_the_draft_makes_nothing_up(tmp_path: Path) -> None:
    """Of an empty bundle it states no figure, and nothing went well."""
    (tmp_path / "verdict.json").write_text(
        '{"schema_version": 1, "verdict": "INCONCLUSIVE", "findings": []}'
    )
    made = draft(build_view(read_evidence(tmp_path)))
    assert made.impact == (("Attempts hurt", "no data"),)
    assert made.well == made.lucky == made.factors == made.actions == ()


def test_a_narrow_pass_is_luck(tmp_path: Path) -> None:
    """Under a tenth of the limit left; one with room is not."""
    roomy = draft(view_of(tmp_path / "a", Story())).lucky
    assert not [said for said in roomy if said.startswith("First token")]
    narrow = draft(view_of(tmp_path / "b", Story(hurt_s=1.3))).lucky
    assert [said for said in narrow if said.startswith("First token p95")]
