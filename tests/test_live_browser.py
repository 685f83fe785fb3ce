"""The live page in a real browser: it draws, answers, stays within its policy, and can be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundle_maker import EAST, WEST
from chromium import BROWSER, Chromium
from test_live import SHOWN

from muster.drill.live.serve import LiveServer

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
AXE = Path(__file__).resolve().parents[1] / ".tools" / "axe" / "axe.min.js"
HOSTILE = "<img src=x onerror=alert(1)>"
LOOKS = 5
SHOWN_S_MAX = 60.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all pages."""
    with Chromium() as found:
        yield found


@pytest.fixture
def server() -> Iterator[LiveServer]:
    """A view with five looks: streams grow by one a second, the west's share is known in one."""
    found = LiveServer(0)
    try:
        for n in range(LOOKS):
            found.put(
                replace(
                    SHOWN,
                    at_s=SHOWN.at_s + n,
                    elapsed_s=100.0 + n,
                    by_region={WEST: 0.0, EAST: 1990.0 + n},
                    seen_pct={WEST: 12.34 if n == 1 else None, EAST: 87.66},
                )
            )
        yield found
    finally:
        found.close()


def await_true(browser: Chromium, holds: str) -> None:
    """Until the expression is true in the page."""
    end = time.monotonic() + SHOWN_S_MAX
    while not browser.run(f"Boolean({holds})"):
        assert time.monotonic() < end, f"{holds} did not come"
        time.sleep(0.05)


def visit(browser: Chromium, server: LiveServer, width: int = 1280) -> None:
    """Open the page at that width, until it has drawn the last look."""
    size: dict[str, Any] = {"width": width, "height": 800, "deviceScaleFactor": 1}
    browser.call("Emulation.setDeviceMetricsOverride", mobile=width < 600, **size)
    browser.events.clear()
    browser.call("Page.navigate", url=server.url)
    await_true(browser, f"typeof looks === 'object' && looks.length === {server.put_in_all}")
    await_true(browser, "!due && document.querySelectorAll('polyline').length >= 3")


def text(browser: Chromium, name: str) -> str:
    return str(browser.run(f"document.getElementById('{name}').textContent"))


def cursors(browser: Chromium) -> int:
    return int(browser.run("document.querySelectorAll('line.cursor').length"))


def point(browser: Chromium, chart: str, share: float) -> None:
    """The mouse at that share of the chart's width."""
    find = f"document.getElementById('{chart}')"
    browser.run(f"{find}.scrollIntoView({{block: 'center'}})")
    left, top, width = browser.run(
        f"(({{x, y, width}}) => [x, y, width])({find}.getBoundingClientRect())"
    )
    browser.mouse("mouseMoved", left + share * width, top + 60)


def press(browser: Chromium, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_the_looks_and_runs_nothing_of_the_drill(
    browser: Chromium, server: LiveServer, width: int
) -> None:
    """Rows, phases and charts are there, and stay when the view ended; the console is empty."""
    server.put(replace(SHOWN, elapsed_s=106.0, drill=HOSTILE, stopped_by=HOSTILE))
    visit(browser, server, width)
    assert browser.run("document.querySelector('[aria-current=step]').textContent") == "dark"
    assert "phase 6 of 8: dark, judged by Tier G" in text(browser, "rows")
    assert HOSTILE in text(browser, "title")
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.documentElement.scrollWidth") <= width
    server.close()
    await_true(browser, "document.getElementById('state').textContent === 'the view ended'")
    assert "phase 6 of 8" in text(browser, "rows")
    assert browser.complaints() == []
    assert {one.partition("?")[0] for one in browser.requests()} == {
        f"http://127.0.0.1:{server.port}/",
        f"http://127.0.0.1:{server.port}/events",
    }


def test_pointing_at_a_chart_shows_that_moment_in_all_of_them(
    browser: Chromium, server: LiveServer
) -> None:
    """Time, phase and the values of each; a new look moves nothing; leaving the chart hides it."""
    visit(browser, server)
    assert (cursors(browser), text(browser, "streams-key")) == (0, WEST + EAST)
    point(browser, "split", 0.01)
    assert text(browser, "moment").startswith("100 s, ")
    assert text(browser, "moment").endswith(" UTC, dark")
    assert cursors(browser) == 3
    assert text(browser, "streams-key") == f"{WEST}: 0{EAST}: 1,990"
    assert text(browser, "split-key") == f"{WEST}: unknown{EAST}: 87.7 %"
    assert text(browser, "margin-key") == f"tightest: 95 % (rate_429 in {EAST})"
    server.put(replace(SHOWN, elapsed_s=200.0))
    await_true(browser, f"looks.length === {LOOKS + 1} && !due")
    assert (text(browser, "moment")[:5], cursors(browser)) == ("100 s", 3)
    point(browser, "streams", 0.99)
    assert text(browser, "moment").startswith("200 s, ")
    browser.mouse("mouseMoved", 2, 2)
    assert (cursors(browser), text(browser, "streams-key")) == (0, WEST + EAST)
    assert browser.complaints() == []


def test_the_keyboard_reaches_every_moment(browser: Chromium, server: LiveServer) -> None:
    """Tab to a chart, arrows from the newest look back; a reader hears the values."""
    visit(browser, server)
    press(browser, "Tab")
    assert browser.run("document.activeElement.id") == "streams"
    seen = []
    for key in ("ArrowLeft", "ArrowLeft", "Home", "ArrowLeft", "ArrowRight", "End", "ArrowRight"):
        press(browser, key)
        seen.append(text(browser, "moment").partition(" s")[0])
    assert seen == ["104", "103", "100", "100", "101", "104", "104"]
    press(browser, "Home")
    press(browser, "ArrowRight")
    said = browser.run("document.activeElement.getAttribute('aria-valuetext')")
    assert said.endswith(f"UTC, {WEST}: 0, {EAST}: 1,991")
    assert "12.3 %" in text(browser, "split-key")
    server.put(replace(SHOWN, elapsed_s=200.0))
    await_true(browser, f"looks.length === {LOOKS + 1} && !due")
    assert browser.run("document.activeElement.id") == "streams"
    assert text(browser, "moment").startswith("101 s, ")
    press(browser, "Escape")
    assert cursors(browser) == 0
    press(browser, "Tab")
    assert browser.run("document.activeElement.id") == "split"
    assert browser.complaints() == []


def test_the_policy_bites(browser: Chromium, server: LiveServer) -> None:
    """A script or a style that gets into the page is refused aloud."""
    visit(browser, server)
    browser.run(
        "(() => { const made = document.createElement('script'); made.textContent ="
        " 'document.title = \"ran\"'; document.body.append(made);"
        " document.body.setAttribute('style', 'color: red'); })()"
    )
    assert browser.run("document.title") != "ran"
    assert len(browser.complaints()) == 2


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core in .tools/axe (make setup-test)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Chromium, server: LiveServer, scheme: str) -> None:
    """In a drill that goes on and in one that was stopped, with the cursor at a moment."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", features=[feature])
    try:
        for look in (SHOWN, replace(SHOWN, stopped_by="operator", commands=("aws x",))):
            server.put(replace(look, elapsed_s=200.0))
            visit(browser, server)
            point(browser, "split", 0.5)
            assert cursors(browser) == 3
            browser.run(AXE.read_text())
            found: list[dict[str, Any]] = browser.run(
                "axe.run(document, {resultTypes: ['violations']}).then(done => done.violations"
                ".map(({id, impact, nodes}) => ({id, impact, at: nodes[0].html.slice(0, 200)})))"
            )
            assert [one for one in found if one["impact"] in ("serious", "critical")] == []
    finally:
        browser.call("Emulation.setEmulatedMedia", features=[])
