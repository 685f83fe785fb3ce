"""Reports of synthetic bundles: whole files, offline, the same bytes again, and nothing escapes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from muster.bundle import seal
from muster.errors import BadInput, MusterError
from muster.reports import write_reports
from muster.reports.evidence import read_evidence
from muster.reports.junit import junit
from muster.reports.render import Drawn, html, markdown, md, md_code, md_fence
from muster.reports.svg import check_svg
from muster.reports.view import build_view
from tests.report_bundle import EAST, Story, make

HOSTILE = "<script>alert(1)</script>\"'><svg onload=x>|`a`\n# h\x00\ud800 [x](javascript:1)"


def written(bundle: Path) -> Path:
    """`bundle` with its documents, without charts: drawing them takes seconds."""
    view = build_view(read_evidence(bundle))
    (bundle / "report.html").write_text(html(view, Drawn()))
    (bundle / "report.md").write_text(markdown(view))
    (bundle / "junit.xml").write_text(junit(view))
    return bundle


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = make(tmp_path_factory.mktemp("passed"))
    write_reports(bundle)
    return bundle


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    story = Story(
        verdict="FAIL",
        shed_share=0.06,
        trigger={"trigger": "rate_429", "region": EAST, "detail": "5.1 % in 5 windows"},
        stopped={"by": "trigger:rate_429", "verdict": "FAIL", "detail": "5.1 %"},
    )
    bundle = make(tmp_path_factory.mktemp("failed"), story)
    write_reports(bundle)
    return bundle


def test_every_file_is_written(passed: Path) -> None:
    """A report is a page, a draft, a JUnit file and eleven charts."""
    for name in ("report.html", "report.md", "junit.xml"):
        assert (passed / name).stat().st_size > 500
    assert len(list((passed / "charts").glob("*.svg"))) == 11
    assert not list(passed.glob("**/.report-*"))


def test_same_bundle_same_bytes(passed: Path) -> None:
    """Writing the report again changes no byte of it."""
    before = {path: path.read_bytes() for path in passed.rglob("*") if path.is_file()}
    write_reports(passed)
    after = {path: path.read_bytes() for path in passed.rglob("*") if path.is_file()}
    assert before == after


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_loads_nothing(passed: Path) -> None:
    """One script, allowed by its hash: no other, no handler, and nothing from anywhere else."""
    text = (passed / "report.html").read_text()
    parser = _Tags()
    parser.feed(text)
    names = {tag for tag, _ in parser.tags}
    assert not names & {"link", "iframe", "object", "embed", "img", "foreignobject"}
    scripts = [attrs for tag, attrs in parser.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "chart-data"}, {}]
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    for tag, attrs in parser.tags:
        assert not any(key.startswith("on") or key == "style" for key in attrs), (tag, attrs)
        assert all((attrs.get(key) or "#").startswith("#") for key in ("href", "src"))
    assert "default-src 'none'" in text
    ids = [attrs["id"] for _, attrs in parser.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_figures_and_label_stand_in_page_and_draft(failed: Path) -> None:
    """Verdict, what stopped it, the missed figure and NOT GATE EVIDENCE are in both documents."""
    for name in ("report.html", "report.md"):
        text = (failed / name).read_text().replace("\N{NO-BREAK SPACE}", " ")
        for wanted in ("FAIL", "trigger:rate_429", "6.07 %", "NOT GATE EVIDENCE", "12.8 s"):
            assert wanted in text, (name, wanted)


def test_gate_evidence_alone_is_without_the_label(tmp_path: Path) -> None:
    """Only evidence `gate` goes without NOT GATE EVIDENCE; an unknown label gets it."""
    for evidence, labelled in (("gate", False), ("rehearsal", True), ("Gate", True), ("", True)):
        bundle = written(make(tmp_path, Story(evidence=evidence), f"b-{evidence}"))
        for name in ("report.html", "report.md", "junit.xml"):
            assert ("NOT GATE EVIDENCE" in (bundle / name).read_text()) is labelled


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """Markup in titles, regions, details and configuration comes out as text everywhere."""
    story = Story(
        verdict="FAIL",
        shed_share=0.06,
        title=HOSTILE,
        regions=("eu<svg onload=x>", 'b"|`c`'),
        stopped={"by": f"action:{HOSTILE}", "verdict": "ABORTED", "detail": HOSTILE},
        trigger={"trigger": HOSTILE, "region": HOSTILE, "detail": HOSTILE},
        details={"detail": HOSTILE, "proof": HOSTILE, HOSTILE[:40]: HOSTILE},
    )
    bundle = make(tmp_path, story)
    write_reports(bundle)
    page = (bundle / "report.html").read_text()
    parser = _Tags()
    parser.feed(page)
    assert [tag for tag, _ in parser.tags].count("script") == 2
    assert not [a for _, attrs in parser.tags for a in attrs if a.startswith("on")]
    draft = (bundle / "report.md").read_text()
    assert "<script" not in draft
    assert "<svg" not in draft
    assert not re.search(r"(?<!\\)\]\(javascript", draft)
    assert "\n# h" not in draft
    ET.parse(bundle / "junit.xml")
    for chart in (bundle / "charts").glob("*.svg"):
        check_svg(chart.read_text())


def test_markdown_tables_keep_their_columns(failed: Path, tmp_path: Path) -> None:
    """Every row of every table has as many cells as its head, hostile text or not."""
    hostile = written(
        make(tmp_path, Story(title="a|b", details={"detail": "x|y\n|z", "proof": "|"}))
    )
    for bundle in (failed, hostile):
        width = 0
        tables = 0
        for line in (bundle / "report.md").read_text().splitlines():
            if not line.startswith("|"):
                width = 0
                continue
            tables += width == 0
            cells = line.count("|")
            assert width in (0, cells), line
            width = cells
        assert tables >= 6


@pytest.mark.parametrize("text", ["a|b", "`x`", "<b>", "*a*", "https://e.test", "@all", "[a](b)"])
def test_markdown_escape_leaves_no_markup(text: str) -> None:
    """An escaped text holds no unescaped sign that Markdown acts on."""
    shown = md(text)
    assert not re.search(r"(?<!\\)[|`*<>\[\]@]", shown), shown
    assert "https://" not in shown
    assert "|" not in md_code(text)


def test_a_fence_cannot_be_ended_from_within() -> None:
    """The fence is longer than any run of backticks in the text."""
    assert md_fence("a\n````\nb").startswith("`````sh\n")


def test_svg_guard_refuses_what_is_no_shape() -> None:
    """A script, a handler, a link or broken XML in a chart is an error."""
    head = '<svg xmlns="http://www.w3.org/2000/svg">'
    check_svg(f"{head}<g/></svg>")
    for bad in ("<script/>", '<g onload="x"/>', '<a href="x"/>', "<foreignObject/>", "<g>"):
        with pytest.raises(MusterError, match="chart"):
            check_svg(f"{head}{bad}</svg>")


def _suites(bundle: Path) -> ET.Element:
    return ET.parse(bundle / "junit.xml").getroot()


def test_junit_counts_and_names(failed: Path) -> None:
    """A suite a phase, a case a finding, and counts that add up."""
    root = _suites(failed)
    assert root.tag == "testsuites"
    names = [suite.get("name") for suite in root]
    assert names[:2] == ["baseline", "evacuate"]
    assert names[-1] == "verdict"
    for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        assert int(root.get(key, "")) == len(list(root.iter(tag)))
        for suite in root:
            assert int(suite.get(key, "")) == len(list(suite.iter(tag)))
    for suite in root:
        assert next(child.tag for child in suite) == "properties"
        properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
        assert properties["verdict"] == "FAIL"
        assert all(case.get("classname") and case.get("name") for case in suite.iter("testcase"))


def test_junit_is_green_for_pass_alone(passed: Path, tmp_path: Path) -> None:
    """PASS has no red case; an unknown is an error; a bad verdict is red without a bad finding."""
    assert not list(_suites(passed).iter("failure")) + list(_suites(passed).iter("error"))
    unknown = written(make(tmp_path, Story(verdict="INCONCLUSIVE", unknown=True), "u"))
    assert len(list(_suites(unknown).iter("error"))) == 3
    for verdict in ("ABORTED", "ROLLBACK_FAILED", "WHATEVER"):
        bundle = written(make(tmp_path, Story(verdict=verdict), verdict))
        assert list(_suites(bundle).iter("error"))


def test_rollback_failed_gives_the_commands(tmp_path: Path) -> None:
    """What to run by hand is in page and draft when not everything is back."""
    bundle = written(make(tmp_path, Story(verdict="ROLLBACK_FAILED", rollback_failed=True)))
    for name in ("report.html", "report.md"):
        text = (bundle / name).read_text()
        assert "aws route53 change-resource-record-sets" in text
        assert "Run by hand" in text


def test_secrets_are_hidden(passed: Path) -> None:
    """A token in the configuration is not shown; a count that is only called tokens is."""
    page = (passed / "report.html").read_text()
    assert "hunter2" not in page
    assert "target.load.tokens_max" in page


def test_a_bundle_of_a_verdict_alone_says_no_data(tmp_path: Path) -> None:
    """With nothing but a verdict the report stands, names what is missing, and shows no zero."""
    told = {"schema_version": 1, "verdict": "INCONCLUSIVE", "findings": []}
    (tmp_path / "verdict.json").write_text(json.dumps(told))
    write_reports(tmp_path)
    draft = (tmp_path / "report.md").read_text()
    for name in ("ledger.jsonl", "samples.jsonl", "config.json", "holds no finding"):
        assert name in draft
    assert "| Streams, target | no data |" in draft
    assert "| Streams broken | no data |" in draft
    for chart in (tmp_path / "charts").glob("*.svg"):
        assert "no data" in chart.read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, "chaos drill judge"), ("{", "expected JSON"), ("[]", "object"), ("{}", "verdict")],
)
def test_no_usable_verdict_is_bad_input(tmp_path: Path, text: str | None, expected: str) -> None:
    """A missing or broken verdict is one clear line and writes nothing."""
    if text is not None:
        (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(BadInput, match=expected) as raised:
        write_reports(tmp_path)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "report.html").exists()


def test_history_names_what_it_cannot_read(tmp_path: Path, passed: Path) -> None:
    """Newest first, the unreadable named, links passed over, and the same as JSON."""
    from muster.cli.history import history

    make(tmp_path, Story(), "good")
    make(tmp_path, Story(), "torn")
    (tmp_path / "torn" / "verdict.json").write_text("{")
    (tmp_path / "empty").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "good")
    early = make(tmp_path, Story(verdict="FAIL", shed_share=0.1), "early")
    told = json.loads((early / "verdict.json").read_text()) | {"started_at": 1.0, "ended_at": 61.5}
    (early / "verdict.json").write_text(json.dumps(told))
    for name in ("good", "torn", "early"):
        seal(tmp_path / name)
    run = CliRunner().invoke(history, ["--out", str(tmp_path), "--json"])
    rows = json.loads(run.output)
    assert [row["drill_id"] for row in rows][-2:] == ["early", "empty"]
    assert {row["drill_id"] for row in rows} == {"good", "torn", "early", "empty"}
    table = CliRunner().invoke(history, ["--out", str(tmp_path)])
    assert table.exit_code == 0
    assert table.output.count("unreadable: torn:") == 1
    assert table.output.count("missing: empty:") == 1
    assert "60.5 s" in table.output
    (tmp_path / "x" / "none").mkdir(parents=True)
    nothing = CliRunner().invoke(history, ["--out", str(tmp_path / "x" / "none")])
    assert (nothing.exit_code, "no drill yet" in nothing.output) == (0, True)
