"""`chaos drill watch` and `status` of a drill that runs, and `plan` as lines and as JSON."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bundle_maker import START_S, make_bundle, small
from click.testing import CliRunner, Result
from drill_runner import FAILOVER

from muster import home
from muster.cli import drill, watch
from muster.clock import SystemClock
from muster.drill.live import shown as looks
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.drill.plan.expected import expected_s
from muster.drill.plan.form import method_of
from muster.drill.plan.order import phases_of_method
from muster.drill.plan.plan import make_plan
from muster.judge.verdict import judge, write_verdict

DRILL_ID = "20260921T141320Z-region_failover-1a2b"


class Held(SystemClock):
    """A held moment; a wait ends at once and adds to it."""

    def __init__(self, now_s: float) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


class Later(SystemClock):
    """A beat of then is fresh for as long as a test takes, however slow the machine is."""

    def boot_s(self) -> float:
        return super().boot_s() + 3600.0


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunFiles]:
    """A drill on the target `testbed` that this process plays, without evidence yet."""
    run = RunFiles(DRILL_ID)
    run.make("testbed")
    beats = BeatFile(run, "drill", Later())
    yield run
    beats.close()
    run.remove()


def evidence(until: str | None = None) -> Path:
    """The evidence of the running drill, as far as the start of that phase or whole."""
    bundle = make_bundle(home.out_dir() / DRILL_ID, small())
    if until is not None:
        kept = []
        for text in (bundle / "ledger.jsonl").read_text().splitlines():
            kept.append(text)
            event = json.loads(text)
            if (event["event"], event.get("phase")) == ("phase_started", until):
                break
        (bundle / "ledger.jsonl").write_text("\n".join(kept) + "\n")
    return bundle


def call(*arguments: str) -> Result:
    return CliRunner().invoke(drill, list(arguments), prog_name="chaos drill")


def test_a_look_as_json_is_what_scripts_read(running: RunFiles) -> None:
    """Phase, streams, margins and guard; nothing else is printed."""
    evidence("dark")
    run = call("watch", "--json")
    look = json.loads(run.stdout)
    assert (run.exit_code, run.stderr) == (0, "")
    assert (look["phase"], look["over"], look["guard"]) == ("dark", False, "armed")
    assert look["processes"][0]["role"] == "drill"
    assert look["processes"][0]["ago_s"] is not None


def test_in_a_pipe_it_says_lines_until_the_drill_is_over(running: RunFiles) -> None:
    """Whole words, no control sequence, and how it ended."""
    write_verdict(bundle := evidence(), judge(bundle))
    run = call("watch")
    assert run.exit_code == 0
    assert run.stdout.startswith("ended; verdict ")
    assert run.stdout.count("\n") == 1
    assert "\x1b" not in run.stdout


def test_it_ends_when_the_processes_of_the_drill_are_gone(
    running: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drill that was killed writes no end."""
    evidence("dark")
    clock = Held(START_S)

    def until(still: object, **_: object) -> object:
        return real(lambda: clock.at_s < START_S + 25.0, clock)

    from muster.cli import terminal

    real = terminal.until
    monkeypatch.setattr(terminal, "until", until)
    run = call("watch")
    assert run.exit_code == 0
    assert len(run.stdout.splitlines()) == 4  # after 0, 10 and 20 s, and at the end


def test_ctrl_c_ends_the_view_and_not_the_drill(
    running: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it says so."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "_follow", interrupted)
    run = call("watch")
    assert (run.exit_code, run.stderr) == (0, "the view ended; the drill goes on\n")


def test_serve_shows_the_drill_at_the_printed_address_alone(
    running: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On loopback; the page is gone with the view."""
    evidence("dark")
    seen: dict[str, str] = {}

    def look_once(look: object, run: RunFiles) -> None:
        look()  # type: ignore[operator]
        url = next(one for one in said if one.startswith("open "))[5:]
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1"
        page = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=10)
        page.request("GET", f"{parts.path}?{parts.query}")
        seen["page"], seen["url"] = page.getresponse().read().decode(), url
        page.close()

    said: list[str] = []
    monkeypatch.setattr(watch, "_follow", look_once)
    monkeypatch.setattr(watch, "SYSTEM_CLOCK", Held(START_S))
    monkeypatch.setattr(watch.click, "echo", lambda text, **_: said.append(text))
    assert call("watch", "--serve", "0").exit_code == 0
    assert "<title>Drill, live</title>" in seen["page"]
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.1", urlsplit(seen["url"]).port or 0).request("GET", "/")


def test_a_taken_port_is_bad_input(running: RunFiles) -> None:
    """One line, and no view."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = call("watch", "--serve", str(port))
    assert run.exit_code == 2
    assert f"--serve: got {port}, expected a free port of 127.0.0.1" in run.stderr
    assert run.stdout == ""


def test_status_says_how_far_the_drill_is_and_who_guards_it(
    running: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phase, guard, both processes; before everything else."""
    bundle = evidence("dark")
    events = [json.loads(line) for line in (bundle / "ledger.jsonl").read_text().splitlines()]
    monkeypatch.setattr(looks, "SYSTEM_CLOCK", Held(events[-1]["t"]))
    told = call("status").stdout.splitlines()
    assert told[0].startswith(f"drill: {DRILL_ID}: phase ")
    assert ": dark, judged by Tier G" in told[0]
    assert told[1].startswith("guard: armed")
    assert told[2:4] == ["drill: awake", "watchdog: not seen on this machine"]


def test_status_without_a_drill_shows_none() -> None:
    assert not [line for line in call("status").stdout.splitlines() if line.startswith("drill:")]


# The plan.


def test_a_plan_ends_with_its_totals_and_json_has_the_same() -> None:
    """Changes, duration, tokens; the JSON lists each change of each step."""
    lines = call("plan", str(FAILOVER), "--var", "scale=0.1").stdout.splitlines()
    document = json.loads(call("plan", str(FAILOVER), "--var", "scale=0.1", "--json").stdout)
    totals = document["totals"]
    (told,) = [line for line in lines if line.startswith("in all: ")]
    assert told.startswith(f"in all: {totals['changes']} changes, about ")
    assert f"{totals['seconds'] / 60:.0f} min, " in told
    listed = [change for step in document["steps"] for change in step["changes"]]
    assert len(listed) == totals["changes"] > 3
    assert {"subject", "before", "after", "undo"} <= set(listed[0])
    assert (document["schema_version"], document["drill"]) == (1, "region_failover")
    tokens = int(told.rpartition("min, ")[2].partition(" tokens")[0].replace(",", ""))
    assert tokens == pytest.approx(totals["tokens_in"] + totals["tokens_out"], abs=2)
    refused = [line for line in lines if line.startswith("REFUSED at present: ")]
    assert refused == [f"REFUSED at present: {one}" for one in document["refused"]]


def test_every_phase_of_a_drill_has_an_expected_length() -> None:
    """A hold takes its minutes by the time scale; what waits takes more than nothing."""
    method = method_of(str(FAILOVER), json.loads(FAILOVER.read_text()))
    settings = {"target": "testbed", "scale": "0.1"}
    plan = make_plan(settings, drill="d", title="d", kind="failover", gate="M3", method=method)
    found = expected_s(plan, ttl_s=5.0)
    assert list(found) == phases_of_method([(one.module, one.func) for one in plan.method])
    assert all(length_s > 0 for length_s in found.values())
    longer = expected_s(plan, ttl_s=60.0)
    assert longer["evacuate"] > found["evacuate"]
    assert longer["baseline"] == found["baseline"]
