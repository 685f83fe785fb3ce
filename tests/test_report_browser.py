"""The page in a real browser: charts that are drawn and answer, no policy broken, nobody asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import BROWSER, Chromium

from muster.reports import write_reports
from tests.report_bundle import EAST, Story, make

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / ".tools" / "axe" / "axe.min.js"
STOP = {"by": "operator", "verdict": "ABORTED", "detail": "by hand"}
TRIP = {"trigger": "rate_429", "region": EAST, "detail": "5.1 % in 5 windows"}
STORIES = {
    "PASS": Story(),
    "FAIL": Story(
        verdict="FAIL",
        shed_share=0.06,
        trigger=TRIP,
        stopped={"by": "trigger:rate_429", "verdict": "FAIL", "detail": "5.1 %"},
    ),
    "ABORTED": Story(verdict="ABORTED", stopped=STOP),
    "INCONCLUSIVE": Story(verdict="INCONCLUSIVE", unknown=True, fault_proven=False, gap=(150, 170)),
    "ROLLBACK_FAILED": Story(verdict="ROLLBACK_FAILED", rollback_failed=True),
}
CHARTS = 11
HOSTILE = '</script><img src=x onerror="document.title=1">'

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of each verdict, drawn once."""
    found = {}
    for verdict, story in STORIES.items():
        bundle = make(tmp_path_factory.mktemp(verdict), story)
        write_reports(bundle)
        found[verdict] = bundle / "report.html"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all pages."""
    with Chromium() as found:
        yield found


@pytest.mark.parametrize("verdict", STORIES)
def test_every_verdicts_page_is_drawn(
    verdict: str, pages: dict[str, Path], browser: Chromium
) -> None:
    """All charts and the small one, no word on the console, no request but the file itself."""
    page = pages[verdict]
    for width in (1280, 390):
        browser.open(page, width)
        assert browser.complaints() == []
        assert browser.requests() == [page.as_uri()]
        drawn = "[...document.querySelectorAll('figure[data-chart] .plot svg')]"
        assert browser.run(f"{drawn}.length") == CHARTS + 1
        lines = f"{drawn}.every(one => [...one.querySelectorAll('path.line')].some("
        assert browser.run(f"{lines} path => path.getAttribute('d').length > 20))")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.querySelector('.verdict').textContent").endswith(verdict)
        top = "document.querySelector('.tiles').getBoundingClientRect().bottom"
        assert browser.run(top) < browser.run("innerHeight")


def box(browser: Chromium, chart: str) -> dict[str, float]:
    """Where a chart stands in the viewport, after scrolling to it."""
    find = f"document.querySelector('main figure[data-chart=\"{chart}\"] .plot svg')"
    browser.run(f"{find}.scrollIntoView({{block: 'center'}})")
    return dict(browser.run(f"(({{x, y, width, height}}) => ({{x, y, width, height}}))"
                            f"({find}.getBoundingClientRect())"))  # fmt: skip


def cursors(browser: Chromium) -> int:
    return int(browser.run("document.querySelectorAll('main .cursor[visibility=visible]').length"))


def test_one_cursor_runs_through_all_charts(pages: dict[str, Path], browser: Chromium) -> None:
    """Pointing at one chart shows time, phase and the values of all; leaving it hides them."""
    browser.open(pages["PASS"])
    at = box(browser, "open_streams")
    browser.mouse("mouseMoved", at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    assert cursors(browser) == CHARTS - 2
    said = browser.run("document.getElementById('cursor-time').textContent")
    assert "UTC" in said
    assert "dark" in said
    values = browser.run(
        "[...document.querySelectorAll('main figure[data-chart=open_streams] .legend b')]"
        ".map(one => one.textContent)"
    )
    assert len(values) >= 3
    assert all(values)
    browser.mouse("mouseMoved", 2, 2)
    assert cursors(browser) == 0


def ticks(browser: Chromium, chart: str = "queue_age") -> list[str]:
    return list(
        browser.run(
            f"[...document.querySelectorAll('main figure[data-chart={chart}] .plot text')]"
            ".map(one => one.textContent).filter(one => /^\\d\\d:\\d\\d/.test(one))"
        )
    )


def test_dragging_zooms_every_chart_and_escape_shows_all(
    pages: dict[str, Path], browser: Chromium
) -> None:
    """The other charts follow; the menu of phases does the same."""
    browser.open(pages["FAIL"])
    whole = ticks(browser)
    at = box(browser, "open_streams")
    y = at["y"] + at["height"] / 2
    left, right = at["x"] + at["width"] * 0.4, at["x"] + at["width"] * 0.5
    browser.mouse("mouseMoved", left, y)
    browser.mouse("mousePressed", left, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", right, y, button="left", buttons=1)
    browser.mouse("mouseReleased", right, y, button="left", clickCount=1)
    assert ticks(browser) != whole
    key = "new KeyboardEvent('keydown', {key: 'Escape', bubbles: true})"
    browser.run(f"document.querySelector('main .plot svg').dispatchEvent({key})")
    assert ticks(browser) == whole
    browser.run(
        "(() => { const menu = document.querySelector('#chart-tools select'); menu.value = 2;"
        " menu.dispatchEvent(new Event('change')); })()"
    )
    assert ticks(browser) != whole
    assert browser.complaints() == []


def test_gaps_are_shaded(pages: dict[str, Path], browser: Chromium) -> None:
    """Seconds without the load's record are grey, not joined by a line."""
    browser.open(pages["INCONCLUSIVE"])
    assert browser.run("document.querySelectorAll('main .plot rect.gap').length") >= 4
    browser.open(pages["PASS"])
    assert browser.run("document.querySelectorAll('main .plot rect.gap').length") == 0


def test_the_policy_bites(tmp_path: Path, pages: dict[str, Path], browser: Chromium) -> None:
    """A script, a foreign picture or a style attribute slipped into the page is refused aloud."""
    page = tmp_path / "report.html"
    bad = '<img src="http://192.0.2.1/x.png"><p style="color:red">'
    bad += '<script>document.title="ran"</script>'
    page.write_text(pages["PASS"].read_text().replace("<main>", f"<main>{bad}"))
    browser.open(page)
    assert browser.run("document.title") != "ran"
    assert len(browser.complaints()) >= 3


def test_hostile_text_stays_text_in_the_browser(tmp_path: Path, browser: Chromium) -> None:
    """In labels and data of the charts too."""
    story = replace(STORIES["FAIL"], title=HOSTILE, regions=(HOSTILE, EAST))
    bundle = make(tmp_path, story)
    write_reports(bundle)
    browser.open(bundle / "report.html")
    assert browser.complaints() == []
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert HOSTILE in browser.run("document.querySelector('.legend').textContent")
    assert browser.run("document.title") != "1"


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core in .tools/axe (make setup-test)")
@pytest.mark.parametrize("verdict", STORIES)
def test_axe_finds_nothing_serious(verdict: str, pages: dict[str, Path], browser: Chromium) -> None:
    """In the light and in the dark."""
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.call("Emulation.setEmulatedMedia", features=[feature])
        browser.open(pages[verdict])
        browser.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        browser.run(AXE.read_text())
        found: list[dict[str, Any]] = browser.run(
            "axe.run(document, {resultTypes: ['violations']}).then(done => done.violations"
            ".map(({id, impact, nodes}) => ({id, impact, at: nodes[0].html.slice(0, 200)})))"
        )
        browser.call("Emulation.setEmulatedMedia", features=[])
        assert [one for one in found if one["impact"] in ("serious", "critical")] == []


def test_axe_would_find_something(tmp_path: Path, browser: Chromium) -> None:
    """The check itself fails on a page that nobody could read."""
    if not AXE.is_file():
        pytest.skip("no axe-core in .tools/axe (make setup-test)")
    page = tmp_path / "bad.html"
    page.write_text(
        '<!doctype html><p style="color:#eee;background:#fff">hard to read</p><img src="">'
    )
    browser.open(page)
    browser.run(AXE.read_text())
    found = browser.run("axe.run().then(done => done.violations.map(one => one.impact))")
    assert set(found) & {"serious", "critical"}
