"""The live page in a real browser: it draws, stays within its policy, and shows text as text."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import BROWSER, FLAGS
from test_live import SHOWN

from muster.drill.live.serve import LiveServer

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
HOSTILE = "<img src=x onerror=alert(1)>"


def test_the_page_draws_the_looks_and_runs_nothing_of_the_drill(tmp_path: Path) -> None:
    """Rows, phases and charts are there after the view ended; the console holds no error."""
    server = LiveServer(0)
    try:
        for second in range(5):
            server.put(replace(SHOWN, elapsed_s=float(second), streams=1990.0 + second))
        server.put(replace(SHOWN, elapsed_s=6.0, drill=HOSTILE, stopped_by=HOSTILE))
        done = subprocess.run(
            [
                str(BROWSER),
                *FLAGS,
                *("--enable-logging", "--v=0"),
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--log-file={tmp_path / 'chrome.log'}",
                "--timeout=10000",
                "--dump-dom",
                server.url,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    finally:
        server.close()
    page = done.stdout
    assert "phase 6 of 8: dark, judged by Tier G" in page
    assert 'aria-current="step"' in page
    assert page.count("<polyline") >= 3
    assert "&lt;img src=x" in page
    assert "<img" not in page
    log = tmp_path / "chrome.log"
    said = (log.read_text(errors="replace") if log.exists() else "") + done.stderr
    assert [line for line in said.splitlines() if "CONSOLE" in line] == []
