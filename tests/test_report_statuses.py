"""Brackets, what is not judged, unique JUnit cases, and the contract's own figures in a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from muster import home
from muster.contract import load
from muster.reports import limits
from muster.reports.client_p95 import recorded
from muster.reports.evidence import read_evidence
from muster.reports.figures import load_facts
from muster.reports.findings import finding_row, matrix
from muster.reports.junit import junit
from muster.reports.loadfile import LoadSeconds, Second
from muster.reports.render import Drawn, html, markdown
from muster.reports.tallies import tallies_of
from muster.reports.view import build_view
from tests.report_bundle import Story, make

P95 = {"slo": "completion_p95", "phase": "dark", "source": "client", "tier": "X", "unit": "s"}
P95 |= {"threshold": 15.0, "measured": None, "margin": None, "status": "pass"}
DARK = {"slo": "queue_age", "phase": "dark", "source": "server", "region": "west", "unit": "s"}
DARK |= {"threshold": 30.0, "measured": None, "margin": None, "status": "not_judged"}
DARK |= {"reason": "the region was dark"}


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("bracket", "status", "measured", "margin"),
    [
        ([12.0, 15.0], "pass", "12–15 s", "+0.000 s to under +3.000 s"),
        ([10.0, 11.0], "pass", "10–11 s", "+4.000 s to under +5.000 s"),
        ([15.0, 16.0], "fail", "15–16 s", "-1.000 s to under +0.000 s"),
        ([90.0, None], "fail", "over 90 s", "under -75.0 s"),
        (None, "unknown", "no data", "no data"),
    ],
)
def test_a_bracket_is_shown_as_one(bracket, status, measured, margin) -> None:
    """Neither its upper edge as the value, nor a margin of 0."""
    row = finding_row({**P95, "bracket": bracket, "status": status})
    assert (plain(row.measured), plain(row.margin), row.status) == (measured, margin, status)


def test_an_older_verdict_that_names_the_upper_edge_is_shown_as_its_bracket() -> None:
    """One that names another value than the edge is shown as it says."""
    old = {**P95, "bracket": [12.0, 15.0], "measured": 15.0, "margin": 0.0}
    assert plain(finding_row(old).measured) == "12–15 s"
    assert plain(finding_row({**old, "measured": 13.5}).measured) == "13.5 s"


def test_of_two_brackets_the_one_nearer_its_threshold_decides_a_cell() -> None:
    """By the smallest margin that each can have."""
    near = {**P95, "bracket": [14.0, 15.0]}
    far = {**P95, "bracket": [10.0, 11.0], "source": "server"}
    ((cell,),) = [row.cells for row in matrix([far, near], ["dark"])[1]]
    assert (cell.source, plain(cell.measured)) == ("client", "14–15 s")


def test_what_is_not_judged_is_shown_so_and_never_green(tmp_path: Path) -> None:
    """In page, draft and JUnit; a pass with nothing measured, of an older verdict, too."""
    assert finding_row({**DARK, "status": "pass"}).status == "not_judged"
    assert finding_row({**DARK, "status": "pass", "measured": 0.0}).status == "pass"
    evidence = read_evidence(make(tmp_path, Story()))
    findings = [*evidence.verdict["findings"], DARK]
    view = build_view(replace(evidence, verdict={**evidence.verdict, "findings": findings}))
    assert "1 other had nothing to judge" in view.banner.why
    assert any("1 were not judged" in sentence for sentence in view.summary)
    page = html(view, Drawn())
    assert '<span class="status not_judged">– not judged</span>' in page
    assert "| not judged |" in markdown(view)
    root = ET.fromstring(junit(view))
    (case,) = [c for c in root.iter("testcase") if c.find("skipped") is not None]
    assert case.get("name") == "queue_age server west"
    assert case.get("classname") == f"{view.drill}.dark"
    assert case.find("skipped").get("message") == "not judged: the region was dark"
    assert root.get("skipped") == "1"
    assert [s.get("skipped") for s in root if s.get("name") == "dark"] == ["1"]
    ((cell,),) = [row.cells for row in matrix([DARK], ["dark"])[1]]
    assert cell.status == "not_judged"


def test_a_judged_finding_decides_a_cell_before_one_that_is_not_judged() -> None:
    """Of two regions one was dark."""
    seen = {**DARK, "region": "east", "status": "pass", "measured": 1.0, "margin": 29.0}
    ((cell,),) = [row.cells for row in matrix([DARK, seen], ["dark"])[1]]
    assert (cell.status, plain(cell.measured)) == ("pass", "1.000 s")


NAMES = st.sampled_from(["verdict", "a", "a (2)", "a  b", "a\nb", "", "dark"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES), max_size=12))
def test_no_two_junit_cases_have_one_name(tmp_path_factory, rows) -> None:
    """Whatever the findings are called: of two cases of one name a pipeline shows one."""
    view = VIEW(tmp_path_factory)
    findings = tuple(
        finding_row({"slo": slo, "phase": phase, "source": source, "region": region})
        for slo, phase, source, region in rows
    )
    root = ET.fromstring(junit(replace(view, findings=findings)))
    cases = [(c.get("classname"), c.get("name")) for c in root.iter("testcase")]
    assert len(cases) == len(rows) + 1
    assert len(set(cases)) == len(cases)
    assert len({tuple(" ".join(part.split()) for part in case) for case in cases}) == len(cases)


_MADE = []


def VIEW(factory):
    """One bundle's view for all examples."""
    if not _MADE:
        _MADE.append(build_view(read_evidence(make(factory.mktemp("names"), Story()))))
    return _MADE[0]


def seconds(*tallies, missing=()):
    """A load's record from 1000 s on; a bucket i ends at 1.01 ** i milliseconds."""
    told = {i: tally for i, tally in enumerate(tallies) if i not in missing}
    found = {i: Second() for i in told}
    counted = tallies_of({("completion", "west"): told})
    return LoadSeconds(1000.0, len(tallies), found, ("west",), 1.01, 1.0, counted)


def test_the_clients_p95_is_told_from_the_loads_own_record() -> None:
    """The upper edge of its 1 % bucket, over the finding's window; a missing second is none."""
    finding = {**P95, "window": [1000.0, 1002.0]}
    tallies = ({"900": 96.0, "960": 4.0}, {"900": 50.0}, {"990": 500.0})
    said = "p95 at most 7.749 s by the load's own record"
    assert plain(recorded(seconds(*tallies), finding)) == said
    assert recorded(seconds(*tallies, missing=(1,)), finding) == ""
    assert recorded(seconds(*tallies), {**finding, "source": "server"}) == ""
    assert recorded(seconds(*tallies), {**finding, "slo": "rate_5xx"}) == ""
    assert recorded(seconds(*tallies), {**finding, "window": None}) == ""
    assert recorded(None, finding) == ""
    never = seconds({"never": 10.0, "900": 90.0}, {})
    assert recorded(never, finding) == "p95 over every bucket by the load's own record"


def test_the_reports_figures_are_the_contracts(tmp_path: Path) -> None:
    """Another contract in the bundle, and the text says what that one says."""
    bundle = make(tmp_path, Story())
    data = yaml.safe_load((home.root() / "contract" / "phase5.yaml").read_text())
    data["load_validity"] |= {"loop_lag_p99_s_max": 0.25, "late_s": 0.3, "late_share_max": "7%"}
    data["drill"]["shifted_share_max"] = "2%"
    (bundle / "contract.yaml").write_text(yaml.safe_dump(data))
    evidence = read_evidence(bundle)
    facts = {fact.label: fact.note for fact in load_facts(evidence, [])}
    told = {plain(label): plain(note) for label, note in facts.items()}
    assert told["Loop lag p99"] == "at most; limit 250 ms in a judged window"
    assert told["Arrivals over 300 ms late"] == "limit 7 %"
    notes = [plain(fact.note) for fact in build_view(evidence).timings]
    assert "weights at 0 to under 2 % of new streams" in notes
    (bundle / "contract.yaml").unlink()
    assert read_evidence(bundle).contract is None
    assert limits.lag(None) == limits.shifted(None) == "no data"
    assert plain(limits.late_share(load())) == "5 %"
