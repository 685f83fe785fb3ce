"""No title claims a tier that was not judged: outputs say by whose limits, and at what size."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bundle_maker import Harm, Story, make_bundle, small
from click.testing import CliRunner
from drill_runner import ROOT, drill_files

from muster.cli import drill
from muster.contract import load, load_bytes
from muster.contract.export.grafana import grafana_dashboard
from muster.contract.export.openslo import openslo_yaml
from muster.contract.model import Contract
from muster.judge.judged_by import NOTHING, contract_said, judged_by, judged_phases, tier_said
from muster.judge.verdict import judge, write_verdict
from muster.reports import write_reports
from muster.reports.chart_plan import plan
from muster.reports.evidence import read_evidence
from muster.reports.view import build_view
from tests import report_bundle

OWN = "Our own numbers"
A_TIER = re.compile(r"\btier[ -][LGX]\b", re.IGNORECASE)
FILES = drill_files()


def own_contract() -> bytes:
    """A contract of somebody's own: the shipped one's names with other titles and figures."""
    data: dict[str, Any] = yaml.safe_load((ROOT / "contract" / "phase5.yaml").read_text())
    data["source"] = {"document": OWN, "as_of": "2026-11-01"}
    for tier in data["tiers"].values():
        tier |= {"title": f"Ours at {tier['streams']}", "source": OWN, "rate_429_max": "9%"}
    return yaml.safe_dump(data, sort_keys=False).encode()


@pytest.fixture(scope="module")
def own() -> Contract:
    return load_bytes(own_contract(), Path("own.yaml"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole failover, judged and reported by a contract of its own."""
    folder = make_bundle(tmp_path_factory.mktemp("own") / "bundle", small())
    (folder / "contract.yaml").write_bytes(own_contract())
    write_verdict(folder, judge(folder))
    write_reports(folder)
    return folder


SAID = (
    "Judged by the limits of Tier X (Ours at 20000), at 2,000 of its 20,000 streams, in baseline "
    "and of Tier G (Ours at 5000), at 2,000 of its 5,000 streams, in evacuate, drain, dark, "
    f"restore. The limits are those of {OWN}, as of 2026-11-01."
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_drills_file_names_a_tier(path: Path) -> None:
    """Its title, description, tags and hypothesis: which tier it is, the contract says."""
    assert not A_TIER.findall(path.read_text())


def test_the_verdict_says_whose_limits_they_are(bundle: Path) -> None:
    """In its file, beside the tiers' letters."""
    told = json.loads((bundle / "verdict.json").read_text())
    assert told["judged_by"] == SAID
    assert told["contract"] == {"document": OWN, "as_of": "2026-11-01"}


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_a_report_says_it_in_its_summary(bundle: Path, name: str) -> None:
    """Neither its title nor its banner names a tier, and nothing names the shipped contract."""
    text = (bundle / name).read_text().replace("\\", "")
    assert SAID in text
    titles = re.findall(r"<title>.*?</title>|<h1>.*?</h1>|^# [^\n]*", text, re.M | re.S)
    assert titles
    assert not [title for title in titles if A_TIER.search(title)]
    for shipped in (load().source.document, "(Growth)", "(Large)"):
        assert shipped not in text


def test_a_charts_title_has_the_contracts_title_of_a_tier(tmp_path: Path, own: Contract) -> None:
    """A chart is handed on by itself."""
    evidence = replace(read_evidence(report_bundle.make(tmp_path)), contract=own)
    titles = [chart.title for chart in plan(evidence, build_view(evidence))]
    named = [title for title in titles if A_TIER.search(title)]
    assert named
    assert all(re.search(r"the limit of [0-9.]+ s of Tier [LGX] [(]Ours at", one) for one in named)


def test_junit_says_it_in_every_suite(bundle: Path) -> None:
    """Beside the evidence's class; no suite and no verdict's case has a tier in its name."""
    text = (bundle / "junit.xml").read_text()
    suites = re.findall(r'<testsuite name="([^"]*)"', text)
    assert text.count(f'name="judged_by" value="{SAID}"') == len(suites) > 3
    assert not [name for name in suites if A_TIER.search(name)]


def test_the_console_says_it(bundle: Path) -> None:
    """`chaos drill judge`, under the verdict."""
    lines = CliRunner().invoke(drill, ["judge", str(bundle), "--unsealed"]).output.splitlines()
    assert any(line.startswith(SAID) for line in lines)


def test_exports_have_the_titles_of_the_contract_they_are_made_from(own: Contract) -> None:
    """Dashboard and SLOs: a tier's letter never stands without its own title."""
    rows = [p["title"] for p in grafana_dashboard(own)["panels"] if p["type"] == "row"]
    assert rows[0] == "Tier L (Ours at 1000, 1,000 streams), gate M1"
    text = openslo_yaml(own)
    assert "Chat, tier G (Ours at 5000)" in text
    assert "Growth" not in text
    assert OWN in text


def finding(tier: str | None, phase: str, status: str = "pass") -> dict[str, Any]:
    return {"slo": "rate_5xx", "tier": tier, "phase": phase, "status": status}


def test_only_a_tier_of_which_something_passed_or_failed_was_judged(own: Contract) -> None:
    """Unknown, declared and not judged are no judgement, and a drill stopped early has none."""
    unjudged = [finding("G", "dark", s) for s in ("unknown", "declared", "not_judged")]
    assert judged_by(own, [*unjudged, finding(None, "baseline")]) == NOTHING
    assert judged_phases([*unjudged, finding("X", "baseline", "fail")]) == {"X": ["baseline"]}


def test_a_drill_that_was_stopped_before_its_phases_claims_no_tier(tmp_path: Path) -> None:
    """Its ledger names the gate's tier, and no finding does."""
    story = Story(phases=(("preflight", None, 5), ("ramp", None, 20)))
    verdict = judge(make_bundle(tmp_path / "early", story))
    assert verdict.document["judged_by"] == NOTHING


def test_phases_stand_in_the_drills_order_and_each_once() -> None:
    """Merged ones by their parts; what spans all of them is none."""
    found = [finding("L", one) for one in ("shift_back", "shift+shifted", "baseline..shift_back")]
    said = judged_by(load(), found, order=["baseline", "shift", "shifted", "shift_back"])
    assert "Tier L (Launch) in shift, shifted, shift_back. " in said


@pytest.mark.parametrize(("streams", "told"), [(999, True), (1000, False), (5000, False)])
def test_fewer_streams_than_the_tier_names_are_told(streams: int, told: bool) -> None:
    """A tier is its limits at its streams: at fewer, only the limits were judged."""
    said = judged_by(load(), [finding("L", "baseline")], streams=streams)
    assert ("of its 1,000 streams" in said) is told


@pytest.mark.parametrize("streams", [None, "many", True, 3.5])
def test_streams_that_are_no_number_are_left_out(streams: object) -> None:
    """A verdict's file may have been edited."""
    assert "streams" not in judged_by(load(), [finding("L", "baseline")], streams=streams)


def test_without_a_contract_nobody_knows_whose_limits_they_are() -> None:
    """And a letter that the contract does not have has no title."""
    said = judged_by(None, [finding("L", "baseline")], streams=5)
    assert said.endswith("those of a contract that cannot be read.")
    assert tier_said(None, "L") == "Tier L"
    assert tier_said(load(), "Z") == "Tier Z"
    assert contract_said(load()) == "Phase 5.0 Program Setup, as of 2026-02-19"


def test_a_failed_drill_says_it_too(tmp_path: Path) -> None:
    """Whatever the verdict."""
    verdict = judge(make_bundle(tmp_path / "bad", small(harm={"dark": Harm(rate_5xx=0.02)})))
    assert verdict.verdict == "FAIL"
    assert "Tier G (Growth)" in verdict.document["judged_by"]
