"""The load as processes: started, read, ended; and the command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from load_peers import REGION, peer, traffic

from muster.cli import drill
from muster.errors import BadInput, MusterError
from muster.load import LoadPlan, start
from muster.load.summary import Follower, Sum
from muster.reports.loadfile import read_load

SECRET = "sk-very-secret"


@pytest.fixture(scope="module")
def endpoint():
    """A well-behaved endpoint in a thread."""
    ready = threading.Event()
    found = {}

    async def serve():
        found["stop"] = asyncio.Event()
        found["loop"] = asyncio.get_running_loop()
        async with peer() as one:
            found["port"] = one.port
            ready.set()
            await found["stop"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{found['port']}/v1/chat/completions"
    found["loop"].call_soon_threadsafe(found["stop"].set)
    thread.join(10)


def plan(endpoint, tmp_path, **changes):
    given = {
        "url": endpoint,
        "profile": traffic(streams=10, canaries_per_s=10),
        "token": SECRET,
        "canary_token": SECRET + "-canary",
        "regions_by_address": {"127.0.0.1": REGION},
        "shards": 2,
        "record_dir": tmp_path / "record",
        "file_sd": tmp_path / "load.json",
        **changes,
    }
    return LoadPlan(**given)


def eventually(check, seconds=20.0):
    until_s = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def gone(pid):
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().split(") ")[1]
    except (ProcessLookupError, FileNotFoundError):
        return True
    return state.startswith("Z")


def page(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return answer.read().decode()


def test_a_load_runs_in_shards_and_leaves_only_its_record(endpoint, tmp_path):
    """Metrics while it runs, its entry for Prometheus, a line a second; then nothing is left."""
    with start(plan(endpoint, tmp_path)) as handle:
        pids = handle.pids
        entry = json.loads((tmp_path / "load.json").read_text())
        assert entry == [{"targets": handle.metrics, "labels": {"job": "load"}}]
        assert len(pids) == 2
        for shard, address in enumerate(handle.metrics):
            labels = f'shard="{shard}",region="{REGION}",outcome="success"'
            wanted = f"muster_load_attempts_total{{{labels}"
            eventually(lambda at=address, wanted=wanted: wanted in page(at))
        total = Sum()
        follower = Follower(tmp_path / "record")

        def recorded():
            for line in follower.lines():
                total.add(line)
            return total.outcomes["success"] > 10 and len(total.streams_open) == 2

        eventually(recorded)
        handle.stop_arrivals()
        assert handle.alive()
    assert not handle.alive()
    handle.stop()
    assert all(gone(pid) for pid in pids)
    assert handle.exit_codes() == [0, 0]
    assert json.loads((tmp_path / "load.json").read_text()) == []
    seconds, faults = read_load(sorted((tmp_path / "record").glob("load-*.jsonl")))
    assert faults == []
    assert seconds is not None
    assert seconds.regions == (REGION, "unknown")


def test_no_secret_stands_in_an_argument_or_a_file(endpoint, tmp_path):
    """Tokens go to the shards by their standard input alone."""
    given = plan(endpoint, tmp_path, shards=1)
    assert SECRET not in repr(given)
    with start(given) as handle:
        arguments = Path(f"/proc/{handle.pids[0]}/cmdline").read_bytes()
        assert SECRET.encode() not in arguments
        assert SECRET.encode() not in Path(f"/proc/{handle.pids[0]}/environ").read_bytes()
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET not in path.read_text()


def test_a_dead_shard_is_seen(endpoint, tmp_path):
    """`alive` is False as soon as one of them has ended."""
    with start(plan(endpoint, tmp_path)) as handle:
        assert handle.alive()
        os.kill(handle.pids[1], signal.SIGKILL)
        eventually(lambda: not handle.alive())
        assert handle.running() == 1


def test_a_load_that_cannot_come_up_says_so_and_leaves_nothing(endpoint, tmp_path):
    """A record directory that is a file: an error, no process, no entry for Prometheus."""
    (tmp_path / "record").write_text("in the way")
    with pytest.raises(MusterError):
        start(plan(endpoint, tmp_path))
    with pytest.raises(BadInput):
        start(plan("ftp://127.0.0.1", tmp_path))


def test_the_load_ends_with_whoever_started_it(endpoint, tmp_path):
    """A killed parent leaves no shard behind."""
    program = (
        "import sys, time; sys.path.insert(0, 'tests')\n"
        "from load_peers import traffic\n"
        "from muster.load import LoadPlan, start\n"
        f"handle = start(LoadPlan(url={endpoint!r}, profile=traffic(), shards=1))\n"
        "print(handle.pids[0], flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    try:
        assert parent.stdout is not None
        shard = int(parent.stdout.readline())
        assert not gone(shard)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    eventually(lambda: gone(shard))


@contextmanager
def command(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", "from muster.cli import drill; drill()", "load", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_ctrl_c_ends_the_command_with_its_summary(endpoint):
    """Exit 0 and what the run came to."""
    with command("m1_1k", "--url", endpoint, "--scale", "0.05") as process:
        assert process.stdout is not None
        assert "metrics at" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Load ran" in out
    assert "arrivals" in out


def test_the_command_ends_after_its_duration(endpoint, tmp_path):
    """--duration, --record and one part of n."""
    with command(
        "m1_1k", "--url", endpoint, "--scale", "0.05", "--duration", "2s",
        "--record", str(tmp_path), "--shard", "2/3",
    ) as process:  # fmt: skip
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Load ran" in out
    assert [path.name for path in tmp_path.iterdir()] == ["load-1.jsonl"]


def test_a_load_of_which_every_attempt_was_refused_fails():
    """Nobody listens there; the last line says how the attempts ended."""
    with command("m1_1k", "--url", "http://127.0.0.1:9/v1", "--duration", "2s") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Load ran" in out
    assert re.search(r"chaos drill: load: none of [1-9]\d* attempts succeeded: \d+ ", err)


def test_a_trace_is_replayed_with_its_lengths_and_begun_anew(endpoint, tmp_path):
    """The command offers what the file has, round after round, and records a share of it whole."""
    trace = tmp_path / "trace.csv"
    rows = [f"2023-11-16 18:15:{second:02d}.9799600,374,{40 + second}" for second in range(50)]
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    record = tmp_path / "record"
    with command(
        "m1_1k", "--url", endpoint, "--scale", "0.6", "--trace", str(trace), "--duration", "4s",
        "--drain", "9s", "--record", str(record), "--raw-share", "1",
    ) as process:  # fmt: skip
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Trace of 50 requests over 50 s" in out
    raw = [json.loads(line) for line in (record / "load-raw-0.jsonl").read_text().splitlines()]
    raw.sort(key=lambda line: line["number"])
    assert len(raw) > 50
    assert [line["tokens"] for line in raw] == [40 + line["number"] % 50 for line in raw]
    assert {line["outcome"] for line in raw} == {"success"}
    assert {line["status"] for line in raw} == {200}
    assert all(0 < line["first_token_s"] <= line["age_s"] for line in raw)
    # The record for the report is the other file alone.
    seconds, faults = read_load(sorted(record.glob("load-[0-9]*.jsonl")))
    assert seconds is not None
    assert faults == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["m9"], "PROFILE: got 'm9', expected one of m1_1k, m2_5k, m3_20k"),
        (["--scale", "lots"], "--scale: got 'lots', expected a number from 0.0001 to 10"),
        (["--scale", "nan"], "--scale: got 'nan'"),
        (["--seed", "1.5"], "--seed: got '1.5', expected a whole number"),
        (["--duration", "soon"], "--duration: got 'soon', expected a duration like"),
        (["--duration", "0s"], "--duration: got '0s'"),
        (["--shard", "4/3"], "--shard: got '4/3', expected k/n"),
        (["--shard", "0/3"], "--shard: got '0/3'"),
        (["--dns-server", "here:there"], "--dns-server: got 'here:there', expected host:port"),
        (["--token-env", "MUSTER_NOT_SET"], "--token-env: got 'MUSTER_NOT_SET'"),
        (["--url", "chat.example"], "--url: got 'chat.example', expected http://"),
        (["--region", "here=eu"], "--region: got 'here=eu', expected ADDRESS=REGION"),
        (["--raw-share", "2"], "--raw-share: got '2'"),
        (["--drain", "9s"], "--drain: got '9s', expected --duration as well"),
        (["--linger", "9s"], "--linger: got '9s', expected --duration as well"),
        (
            ["--duration", "9s", "--linger", "long"],
            "--linger: got 'long', expected a duration like",
        ),
        (["--start-at", "noon"], "--start-at: got 'noon', expected a time within 24 h from now"),
        (["--start-at", "2001-01-01T00:00:00Z"], "--start-at: got '2001-01-01T00:00:00Z'"),
        (["--trace", "/nowhere.csv"], "/nowhere.csv: got"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, line):
    """Nothing is started, the exit code is 2, and the line names value and expectation."""
    name = [] if arguments[0] == "m9" else ["m1_1k"]
    url = [] if "--url" in arguments else ["--url", "http://127.0.0.1:9/v1"]
    done = CliRunner().invoke(drill, ["load", *name, *url, *arguments])
    assert done.exit_code == 2
    assert line in done.output
    assert len(done.output.strip().splitlines()) == 1
