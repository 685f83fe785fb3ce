"""`chaos drill promotion` beside a real testbed under load: a trigger fires, then Prometheus hangs.

A promotion that is held takes eleven minutes by the contract, so that one is judged from synthetic
samples in test_promotion.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from drill_runner import TARGET, Drill

pytestmark = pytest.mark.drills
WEST = "eu-west-1"


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still inside the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def place(tmp_path):
    """A testbed of its own with a hundred streams on it; its target file and its state."""
    text = TARGET.read_text().replace("name: test\n", "name: promotion\n")
    file = tmp_path / "promotion.yaml"
    file.write_text(text.replace("scrape_interval_s: 0.2", "scrape_interval_s: 1"))
    one = Drill(tmp_path / "work")
    one.work.mkdir()
    up = one.command("up", "--target", str(file), "--profile", "m1_1k", "--scale", "0.1")
    assert up.returncode == 0, up.stderr
    state = json.loads(one.command("status", "--target", str(file), "--json").stdout)
    ends = state["endpoints"]
    chaos = str(Path(sys.executable).with_name("chaos"))
    url = f"http://chat.muster.test:{ends['chat_port']}/v1/chat/completions"
    load = subprocess.Popen(
        [chaos, "drill", "load", "m1_1k", "--url", url, "--scale", "0.1", "--token-env", "TOKEN",
         "--dns-server", ends["dns_server"], "--duration", "15m"],
        cwd=one.work,
        env={**one.environment(), "TOKEN": ends["load_token"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield one, str(file), {part["name"]: part["pid"] for part in state["processes"]}
    finally:
        load.send_signal(signal.SIGINT)
        try:
            load.wait(60)
        except subprocess.TimeoutExpired:
            load.kill()
            load.wait()
        one.command("down", "--target", str(file))


def promotion(one: Drill, file: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    chaos = str(Path(sys.executable).with_name("chaos"))
    return subprocess.run(
        [chaos, "drill", "promotion", file, "--minutes", "11", "--tier", "G", *arguments],
        cwd=one.work,
        env=one.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_a_region_without_its_redis_is_rolled_back_and_a_hanging_prometheus_is_unknown(place):
    """Exit 1 with the trigger, the region and since when; exit 3 once nobody answers."""
    one, file, pids = place
    with stopped(pids[f"redis-{WEST}"]):
        result = promotion(one, file)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"hard_failure:redis_unavailable in {WEST} since 20" in result.stdout
    assert "eu-central-1 since" not in result.stdout
    with stopped(pids["prometheus"]):
        blind = promotion(one, file)
    assert blind.returncode == 3, blind.stdout + blind.stderr
    assert "UNKNOWN" in blind.stdout
    assert "Prometheus does not answer" in blind.stdout
