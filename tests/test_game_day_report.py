"""The report of a game day: one page, offline, readable by everybody, and red unless it passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from chromium import BROWSER, Chromium

from muster.errors import BadInput
from muster.reports.game_day import html, junit, markdown, read_day, view_of, write_day

AXE = Path(__file__).resolve().parents[1] / ".tools" / "axe" / "axe.min.js"
HOSTILE = '</script><img src=x onerror="document.title=1">'
VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", "ABORTED", "ROLLBACK_FAILED")


def drill(number: int, verdict: str | None = "PASS", **changes: Any) -> dict[str, Any]:
    """A drill of day.json; `verdict` None: it was not run."""
    found: dict[str, Any] = {
        "number": number,
        "name": f"drill {number}",
        "drill": f"d{number}",
        "title": "A region's Redis refuses",
        "file": f"experiments/d{number}.json",
        "sha256": "0" * 64,
        "expected_s": 300,
        "drill_id": None,
        "outcome": None,
        "recovery": None,
    }
    if verdict is None:
        return found
    outcome = {
        "verdict": verdict,
        "why": "" if verdict == "PASS" else "fail: rate_5xx dark",
        "stopped_by": None,
        "evidence": "testbed",
        "started_s": 1_795_000_000.0 + 400 * number,
        "ended_s": 1_795_000_300.0 + 400 * number,
        "margin": "12% of 429 rate, dark",
        "left": [],
        "seal": "",
        "digests": {"manifest.json": "ab" * 32},
    }
    own = {key: changes.pop(key) for key in tuple(changes) if key in outcome}
    found |= {
        "drill_id": f"20261118T000000Z-d{number}-0000",
        "outcome": outcome | own,
        "exit_code": 0,
        "interrupted": False,
        "took_s": 301.5,
        "bundle": True,
        "recovery": {"ok": True, "took_s": 14.0, "wrong": []},
    }
    return found | changes


def day(verdict: str = "PASS", *drills: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A day.json."""
    return {
        "schema_version": 1,
        "day_id": "20261118T000000Z-game_day-0000",
        "day": "game_day",
        "title": "Game day",
        "target": "testbed",
        "target_class": "testbed",
        "gate_evidence": False,
        "on_fail": "stop",
        "settings": {"scale": "0.1"},
        "verdict": verdict,
        "why": "all 2 drills passed" if verdict == "PASS" else f"drill 2: {verdict}",
        "stopped": None,
        "starts": 1,
        "started_s": 1_795_000_000.0,
        "ended_s": 1_795_001_500.0,
        "ledger_chain": "0" * 64,
        "drills": list(drills) or [drill(1), drill(2, verdict)],
        **changes,
    }


def written(directory: Path, document: dict[str, Any]) -> Path:
    """The page of that day."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "day.json").write_text(json.dumps(document))
    write_day(directory)
    return directory / "day.html"


def test_the_first_screen_says_how_each_drill_came_out() -> None:
    """Verdict, length, least room and a link to each drill's own report, in every form."""
    view = view_of(day("FAIL"))
    page, text = html(view), markdown(view)
    for said in (page, text):
        assert "FAIL" in said
        assert "1 of 2 drills passed" in said
        assert "NOT GATE EVIDENCE" in said
        assert "12" in said
    assert 'href="../20261118T000000Z-d2-0000/report.html"' in page
    assert "5 min 2" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "Left undone" not in page
    assert "script-src" not in page
    assert "<script" not in page


def test_what_was_left_undone_is_listed() -> None:
    """Changes, broken seals, checks that did not hold, and drills that were not run."""
    found = day(
        "ROLLBACK_FAILED",
        drill(1, "ROLLBACK_FAILED", left=["redis eu-west-1"], recovery=None),
        drill(2, "INCONCLUSIVE", seal="altered: config.json"),
        drill(3, recovery={"ok": False, "took_s": 300.0, "wrong": ["signals: circuit open"]}),
        drill(4, None),
        stopped={"by": "left_changed", "detail": "d1 left: redis eu-west-1"},
    )
    undone = view_of(found).undone
    assert undone == (
        "1 experiments/d1.json: not restored: redis eu-west-1",
        "1 experiments/d1.json: nothing was checked after it",
        "2 experiments/d2.json: its seal: altered: config.json",
        "3 experiments/d3.json: not as before: signals: circuit open",
        "4 experiments/d4.json: was not run",
    )
    page = html(view_of(found))
    for line in undone:
        assert line in page
    assert "left_changed: d1 left" in page
    assert "NOT RUN" in page


@pytest.mark.parametrize("verdict", VERDICTS)
def test_junit_is_red_unless_the_day_passed(verdict: str) -> None:
    """A pipeline that reads nothing else sees the day, its drills and the checks."""
    found = day(verdict)
    root = ET.fromstring(junit(view_of(found), found))
    red = root.findall(".//failure") + root.findall(".//error")
    assert bool(red) is (verdict != "PASS")
    assert len({case.get("name") for case in root.iter("testcase")}) == 5
    broken = day("PASS", drill(1, recovery={"ok": False, "took_s": 1.0, "wrong": ["x"]}))
    assert ET.fromstring(junit(view_of(broken), broken)).findall(".//failure")


def test_what_is_no_day_is_refused(tmp_path: Path) -> None:
    """No document, no JSON, another version."""
    with pytest.raises(BadInput, match="the document of a game day"):
        read_day(tmp_path)
    for text in ("{", "[]", '{"schema_version": 99}'):
        (tmp_path / "day.json").write_text(text)
        with pytest.raises(BadInput):
            read_day(tmp_path)


@pytest.fixture(scope="module")
def browser() -> Any:
    if BROWSER is None:
        pytest.skip("no Chromium on PATH")
    with Chromium() as found:
        yield found


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_page_in_a_browser(verdict: str, tmp_path: Path, browser: Chromium) -> None:
    """Offline, no word on the console, hostile text stays text, and axe finds nothing serious."""
    page = written(
        tmp_path,
        day(verdict, drill(1), drill(2, verdict, why=HOSTILE), drill(3, None), title=HOSTILE),
    )
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.call("Emulation.setEmulatedMedia", features=[feature])
        for width in (1280, 390):
            browser.open(page, width)
            assert browser.complaints() == []
            assert browser.requests() == [page.as_uri()]
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.run("document.querySelectorAll('img').length") == 0
        if AXE.is_file():
            browser.run(AXE.read_text())
            found: list[dict[str, Any]] = browser.run(
                "axe.run(document, {resultTypes: ['violations']}).then(done => done.violations"
                ".map(({id, impact, nodes}) => ({id, impact, at: nodes[0].html.slice(0, 200)})))"
            )
            assert [one for one in found if one["impact"] in ("serious", "critical")] == []
        browser.call("Emulation.setEmulatedMedia", features=[])
