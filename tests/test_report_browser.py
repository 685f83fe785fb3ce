"""The page in a real browser: it shows its figures, breaks no policy, asks nobody anything."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from muster.reports import write_reports
from tests.report_bundle import Story, make

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-logging",
    "--v=0",
]

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")


def _browse(page: Path, tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    profile = tmp_path / "profile"
    command = [
        str(BROWSER),
        *FLAGS,
        f"--user-data-dir={profile}",
        "--log-file=" + str(tmp_path / "chrome.log"),
        *flags,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def _console(tmp_path: Path, done: subprocess.CompletedProcess[str]) -> list[str]:
    log = tmp_path / "chrome.log"
    lines = (log.read_text(errors="replace") if log.exists() else "") + done.stderr
    return [line for line in lines.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole report, drawn once; its page is not to be changed."""
    bundle = make(tmp_path_factory.mktemp("reported"))
    write_reports(bundle)
    return bundle / "report.html"


def test_the_page_shows_its_figures(tmp_path: Path) -> None:
    """Verdict, label, figures and charts are in the DOM, and the console stays silent."""
    bundle = make(tmp_path, Story(verdict="FAIL", shed_share=0.06))
    write_reports(bundle)
    done = _browse(bundle / "report.html", tmp_path, "--dump-dom")
    dom = done.stdout.replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " ")
    for wanted in ("FAIL", "NOT GATE EVIDENCE", "6.07 %", "1,994", "eu-west-1 took 50"):
        assert wanted in dom, wanted
    assert dom.count('role="img"') == 12
    assert _console(tmp_path, done) == []


def test_the_policy_bites(tmp_path: Path, reported: Path) -> None:
    """A script, a foreign picture or a style attribute slipped into the page is refused aloud."""
    page = tmp_path / "report.html"
    text = reported.read_text()
    bad = '<img src="http://192.0.2.1/x.png"><p style="color:red">'
    bad += '<script>document.title="ran"</script>'
    page.write_text(text.replace("<main>", f"<main>{bad}"))
    done = _browse(page, tmp_path, "--dump-dom")
    assert "<title>ran" not in done.stdout
    assert len(_console(tmp_path, done)) >= 3


def test_the_page_asks_the_network_nothing(tmp_path: Path, reported: Path) -> None:
    """The browser's own network log holds no request but the file itself."""
    log = tmp_path / "net.json"
    _browse(reported, tmp_path, f"--log-net-log={log}", "--dump-dom")
    text = log.read_text()
    try:
        events = json.loads(text)["events"]
    except ValueError:  # the browser may end before it closes the list
        events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
    asked = [event["params"]["url"] for event in events if "url" in event.get("params", {})]
    own = [url for url in asked if url.startswith("http")]
    assert [url for url in own if "google" not in url and "gvt" not in url] == []


@pytest.mark.parametrize(("width", "flag"), [(1100, ""), (390, "--force-dark-mode")])
def test_it_draws_at_every_width(tmp_path: Path, reported: Path, width: int, flag: str) -> None:
    """A desktop and a telephone both get a picture."""
    shot = tmp_path / "shot.png"
    flags = [f"--window-size={width},1600", f"--screenshot={shot}", *([flag] if flag else [])]
    _browse(reported, tmp_path, *flags)
    assert shot.stat().st_size > 20_000
