"""Ctrl-C in a drill's terminal: the first restores everything, another one changes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundle_maker import Story
from test_guard_ends import bundle_at_its_end

from muster.ledger import read_ledger
from muster.undo import read_undo

SCRIPT = Path(__file__).parent / "stopped_drill.py"
ENDS_S_MAX = 300.0


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a drill has written before it is stopped."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    found = bundle_at_its_end(tmp_path / "out" / "d", Story(events_dropped=("verify", "undo")))
    (found / "undo.jsonl").unlink()
    return found


@pytest.fixture
def child(bundle: Path) -> Iterator[subprocess.Popen[str]]:
    """A drill's process that runs; ended if it hangs."""
    found = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(bundle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(ENDS_S_MAX, found.kill)
    timer.start()
    try:
        yield found
    finally:
        timer.cancel()
        found.kill()
        found.communicate()


def until(child: subprocess.Popen[str], word: str) -> list[str]:
    """The lines that it prints before `word`."""
    assert child.stdout is not None
    lines = []
    while (line := child.stdout.readline().rstrip("\n")) != word:
        assert child.poll() is None, lines
        lines.append(line)
    return lines


def go_on(child: subprocess.Popen[str]) -> None:
    """Let the revert end that waits."""
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def test_the_first_restores_and_says_so_and_another_changes_nothing(
    bundle: Path, child: subprocess.Popen[str]
) -> None:
    """Each change is restored once, last first, and the closing lines say that all is back."""
    until(child, "running")
    child.send_signal(signal.SIGINT)
    assert until(child, "reverting c") == [
        "restoring 3 changes, the last one first; another Ctrl-C does not stop this",
        "restoring 1 of 3: lamp c",
    ]
    child.send_signal(signal.SIGINT)
    go_on(child)
    assert until(child, "reverting b") == ["restoring 2 of 3: lamp b"]
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)
    go_on(child)
    assert until(child, "reverting a") == ["restoring 3 of 3: lamp a"]
    assert child.stdin is not None
    rest = child.communicate("\n", timeout=ENDS_S_MAX)[0].splitlines()
    assert child.returncode == 4
    assert rest[0] == "verdict: ABORTED (signal:SIGINT)"
    assert "cause: stopped by signal:SIGINT: SIGINT received" in rest
    assert [line for line in rest if line.startswith("everything is back, read back at ")]
    assert not [line for line in rest if "NOT BACK" in line or "Traceback" in line]
    assert json.loads((bundle / "verdict.json").read_text())["verdict"] == "ABORTED"
    assert read_undo(bundle / "undo.jsonl").pending == ()
    ledger = read_ledger(bundle / "ledger.jsonl")
    assert [one["by"] for one in ledger.of("stopped")] == ["signal:SIGINT"]
    done = [one["subject"] for one in ledger.of("undo") if one["state"] == "done"]
    assert done == ["lamp c", "lamp b", "lamp a"]
