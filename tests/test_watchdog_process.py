"""The watchdog as a process: it stops a drill, and where the drill does not listen, restores.

What the two ends say and decide is tested on a held clock, in `test_watchdog_protocol`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml
from floor_fixtures import NOWHERE, OTHER, REGION, await_true, stand_in, testbed_document
from guarded_drill import starting
from strict_aws import strict_aws

from muster.clock import SYSTEM_CLOCK
from muster.drill.lock.runs import RunFiles, runs_of
from muster.drill.watchdog.channel import Channel
from muster.drill.watchdog.messages import FROM_WATCHDOG, Beat
from muster.drill.watchdog.silence import TICK_S
from muster.ledger import read_ledger
from muster.undo import read_undo

TESTS = Path(__file__).parent


class Platform:
    """A stand-in Prometheus and drain hook: `queue_age_s` is what every scrape shows."""

    def __init__(self):
        self.queue_age_s = 0.0
        self.state = "closing"

    def answer(self, call):
        if call.path == f"/{REGION}":
            if call.method == "POST":
                self.state = call.json["state"]
            return 200, {"state": self.state}
        query = parse_qs(call.body.decode()).get("query", [""])[0]
        series = []
        if query.startswith("chat_queue_oldest_job_age_seconds"):
            now_s = time.time()
            for region in (REGION, OTHER):
                values = [[now_s, str(self.queue_age_s)]]
                series.append({"metric": {"region": region, "instance": "g"}, "values": values})
        return 200, {"status": "success", "data": {"result": series}}


@pytest.fixture
def platform(tmp_path, monkeypatch):
    """The stand-in, a target that points to it, and directories for what a drill leaves."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("IT_TOKEN", "x")
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    shown = Platform()
    with stand_in(shown.answer) as server, strict_aws() as aws:
        data = testbed_document() | {"name": "it", "class": "staging"}
        del data["testbed"], data["provider_stub"], data["dns_stub"], data["steering_stub"]
        data["load"] = {"token": "${env.IT_TOKEN}", "canary_token": "${env.IT_TOKEN}"}
        data["shared"] = {"kind": "s3", "bucket": "drills", "endpoint_url": aws.url, "lease_s": 5}
        data["public_url"] = NOWHERE
        data["prometheus"] = {"url": server.url, "scrape_interval_s": 1, "missing_s_max": 600}
        data["steering"]["endpoint_url"] = NOWHERE
        for region in (REGION, OTHER):
            data["regions"][region] = {"ready_url": NOWHERE, "power": {"kind": "none"}}
        data["regions"][REGION]["drain"] = {"url": f"{server.url}/{REGION}", "timeout_s": 2}
        (tmp_path / "it.yaml").write_text(yaml.safe_dump(data))
        yield shown


@pytest.fixture
def start(tmp_path):
    """Starts a drill's process of that mode, guarded; whatever is left of it is ended."""
    with starting("deaf_drill.py", tmp_path) as run:
        yield run


def ledger_of(tmp_path, mode):
    return read_ledger(tmp_path / "out" / mode / "ledger.jsonl")


def test_a_trip_that_the_drill_does_not_hear_is_restored_by_the_watchdog(tmp_path, platform, start):
    """The drill's process is killed, seen gone, and only then everything goes back: FAIL."""
    child = start("deaf")
    platform.queue_age_s = 100.0
    assert child.wait(60) == -signal.SIGKILL
    await_true(lambda: not runs_of("it"), "the watchdog's end", 60)
    assert platform.state == "serving"
    assert read_undo(tmp_path / "out" / "deaf" / "undo.jsonl").pending == ()
    ledger = ledger_of(tmp_path, "deaf")
    (stopped,) = ledger.of("stopped")
    assert (stopped["by"], stopped["verdict"]) == ("limit:queue_age", "FAIL")
    assert ledger.of("limit")[0]["region"] in (REGION, OTHER)
    (took_over,) = [e for e in ledger.of("watchdog") if e["state"] == "took_over"]
    assert took_over["confirmed"] is True
    assert ledger.of("verify")[-1]["verified"] is True


def test_a_reader_that_stops_reading_keeps_no_watchdog_from_restoring(tmp_path, platform, start):
    """A paused pager, a terminal stopped by Ctrl-S, a laptop that sleeps: a full pipe blocks."""
    child = start("deaf")
    full = os.open(f"/proc/{child.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b"." * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b".")
    os.close(full)
    platform.queue_age_s = 100.0
    assert child.wait(60) == -signal.SIGKILL
    await_true(lambda: not runs_of("it"), "the watchdog's end", 60)
    assert platform.state == "serving"
    assert read_undo(tmp_path / "out" / "deaf" / "undo.jsonl").pending == ()


def test_a_trip_that_the_drill_hears_is_the_drills_to_restore(tmp_path, platform, start):
    """It is told the trip, with what tripped for its ledger, and is left alone."""
    child = start("idle")
    platform.queue_age_s = 100.0
    assert child.stdout.readline() == "limit:queue_age\n"
    assert child.wait(60) == 0
    assert platform.state == "closing", "the watchdog touched nothing"
    ledger = ledger_of(tmp_path, "idle")
    assert ledger.of("limit")
    assert not ledger.of("watchdog")
    assert RunFiles("idle").over


def test_signals_to_a_terminal_do_not_end_the_watchdog(tmp_path, platform, start):
    """SIGTERM, SIGINT and SIGHUP pass by; SIGKILL is noticed at once."""
    child = start("idle")
    (run,) = runs_of("it")
    beat = run.beat("watchdog")
    assert os.getsid(beat.pid) != os.getsid(child.pid), "it is in no terminal's group"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(beat.pid, number)
    heard_s = SYSTEM_CLOCK.boot_s()
    await_true(
        lambda: SYSTEM_CLOCK.boot_s() - run.beat("watchdog").ago_s > heard_s + 1, "a later beat"
    )
    os.kill(beat.pid, signal.SIGKILL)
    assert child.stdout.readline() == "lost_watchdog\n"
    assert child.wait(60) == 0


def test_a_watchdog_that_cannot_reach_its_target_refuses(tmp_path, platform, start, monkeypatch):
    """Nothing begins unguarded: the drill is refused with the reason."""
    monkeypatch.delenv("IT_TOKEN")
    with pytest.raises(AssertionError, match=r"preflight:watchdog.*IT_TOKEN"):
        start("idle")


def test_the_two_ends_do_not_answer_each_other_without_end():
    """Whoever answers each beat at once still hears one a tick."""
    mine, theirs = socket.socketpair()
    with mine:
        child = subprocess.Popen(
            [sys.executable, "-m", "muster.drill.watchdog", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        channel = Channel(mine, FROM_WATCHDOG)
        heard = 0
        began_s = now_s = SYSTEM_CLOCK.boot_s()
        while not heard or now_s - began_s < 5 * TICK_S:
            assert select.select([mine], [], [], 60)[0], "it beats"
            messages = channel.receive().messages
            now_s = SYSTEM_CLOCK.boot_s()
            if not heard:
                began_s = now_s
            heard += len(messages)
            channel.send(Beat())
    assert child.wait(timeout=60) == 0, "it ends with the other end"
    assert heard <= (now_s - began_s) / TICK_S + 2
