"""What a pipeline shows beside a run: the verdict, each miss, and nothing that is a command."""

from __future__ import annotations

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from past_drills import finding, past_bundle

from muster.cli.annotate import annotate
from muster.reports.annotations import FINDINGS_MAX, annotations_of
from muster.reports.history.kept import Against, Row


def told(verdict="FAIL", findings=(), **more):
    return {"verdict": verdict, "drill": "region_failover", "target": "staging", **more} | {
        "findings": list(findings)
    }


def test_the_verdict_is_a_line_and_so_is_each_miss():
    """A failed finding is an error, an unknown one a warning, a pass nothing."""
    missed = finding("rate_5xx", 0.9, 0.5, "%", status="fail", phase="dark")
    unknown = finding("queue_age", None, 30.0, "s", status="unknown")
    fine = finding("rate_429", 0.1, 4.0, "%")
    lines = annotations_of(told(findings=[missed, unknown, fine], stopped_by="trigger:5xx"), None)
    assert lines[0] == "::error title=FAIL::region_failover on staging, stopped by trigger:5xx"
    assert lines[1].startswith("::error title=fail::fail: rate_5xx dark [client] 0.9 %25 (thresh")
    assert lines[2].startswith("::warning title=unknown::unknown: queue_age")
    assert len(lines) == 3


def test_a_pass_is_a_notice_and_a_regression_a_warning():
    """An inconclusive drill is a warning, every other verdict an error."""
    against = Against(
        "20261103", "20261103", "PASS", (Row("Time to shift", "14 s", "60 s", "", "worse"),)
    )
    lines = annotations_of(told("PASS"), against)
    assert lines[0].startswith("::notice title=PASS::")
    assert lines[1].endswith("Time to shift: 14 s, now 60 s")
    assert annotations_of(told("INCONCLUSIVE"), None)[0].startswith("::warning ")
    assert annotations_of(told("ROLLBACK_FAILED"), None)[0].startswith("::error ")


def test_more_than_a_page_shows_are_counted():
    """With how many are left out."""
    many = [finding("rate_5xx", 0.9, 0.5, "%", status="fail")] * (FINDINGS_MAX + 3)
    assert annotations_of(told(findings=many), None)[-1] == "::error title=fail::and 3 more"


@given(st.text(max_size=60))
def test_no_text_of_a_platform_becomes_a_command(text):
    """One line each, and a title ends where it should."""
    lines = annotations_of(told(target=text, stopped_by=text, drill=text), None)
    assert all("\n" not in line and "\r" not in line for line in lines)
    assert lines[0].startswith("::error title=FAIL::")


def test_evidence_without_an_intact_seal_says_nothing_else(tmp_path):
    """Anyone may have written it."""
    bundle = past_bundle(tmp_path, verdict="PASS")
    assert CliRunner().invoke(annotate, [str(bundle)]).output.startswith("::notice title=PASS::")
    (bundle / "verdict.json").write_text('{"verdict": "PASS", "findings": []}')
    run = CliRunner().invoke(annotate, [str(bundle)])
    assert run.output.startswith("::error title=UNSEALED::")
    assert "PASS" not in run.output
