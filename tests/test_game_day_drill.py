"""Whole game days of short drills on one testbed: to the end, stopped, and killed on the way."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from drill_runner import Drill, drill
from game_days import SLOW, written

pytestmark = pytest.mark.drills
HELLO = "drills/hello.json"
DAY_S_MAX = 600.0


def test_a_day_of_two_drills_on_one_testbed_passes(tmp_path: Path) -> None:
    """Both pass, the testbed is started once and is gone after, and every part is sealed."""
    with drill(tmp_path / "work") as one:
        one.start(written(tmp_path, HELLO, SLOW))
        assert one.wait(DAY_S_MAX) == 0, one.output
        (day,) = (p for p in (one.work / "out").glob("*Z-*/day.json"))
        found = json.loads(day.read_text())
        assert found["verdict"] == "PASS"
        assert [row["outcome"]["verdict"] for row in found["drills"]] == ["PASS", "PASS"]
        assert all(row["recovery"]["ok"] for row in found["drills"])
        assert [row["drill_id"] for row in found["drills"]] == [path.name for path in one.bundles]
        lines = [json.loads(line) for line in day.with_name("day.jsonl").read_text().splitlines()]
        assert len([line for line in lines if line["event"] == "testbed"]) == 1
        assert not list((one.work / "state").glob("testbed-*/state.json"))
        page = day.with_name("day.html").read_text()
        for row in found["drills"]:
            assert f"../{row['drill_id']}/report.html" in page
            assert (one.work / "out" / row["drill_id"] / "report.html").is_file()
            judged = one.command("judge", str(one.work / "out" / row["drill_id"]))
            assert judged.returncode == 0, judged.stdout


def events(work: Path) -> list[dict[str, Any]]:
    """The whole lines of the day's ledger."""
    found = []
    for path in (work / "out").glob("*Z-*/day.jsonl"):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found


def await_fault(one: Drill) -> None:
    """Until the running drill's fault is proven."""
    one.await_event("fault_proof", lambda event: event["proven"])


def test_a_signal_ends_the_drill_and_the_day_and_everything_is_back(tmp_path: Path) -> None:
    """The drill restores and is ABORTED by the day's signal; no other one begins."""
    with drill(tmp_path / "work") as one:
        one.start(written(tmp_path, SLOW, HELLO))
        await_fault(one)
        assert one.process is not None
        one.process.send_signal(signal.SIGINT)
        assert one.wait(DAY_S_MAX) == 4, one.output
        assert one.verdict["verdict"] == "ABORTED"
        assert one.verdict["stopped_by"] == "signal:SIGTERM"
        assert one.events("verify")[-1]["verified"] is True
        found = json.loads((one.work / "out" / "latest_day" / "day.json").read_text())
        assert found["verdict"] == "ABORTED"
        assert found["stopped"]["by"] == "signal:SIGINT"
        assert found["drills"][1]["outcome"] is None
        assert not list((one.work / "state").glob("testbed-*/state.json"))


def test_a_killed_day_goes_on_where_it_was(tmp_path: Path) -> None:
    """The drill goes on without its day; started again, the day awaits it and runs what is left."""
    with drill(tmp_path / "work") as one:
        day = written(tmp_path, SLOW, HELLO)
        one.start(day)
        await_fault(one)
        assert one.process is not None
        one.process.kill()
        one.process.wait()
        one.start(day)
        assert one.wait(DAY_S_MAX) == 0, one.output
        found = json.loads((one.work / "out" / "latest_day" / "day.json").read_text())
        assert found["verdict"] == "PASS"
        assert found["starts"] == 2
        assert len(one.bundles) == 2
        begun = [event["number"] for event in events(one.work) if event["event"] == "drill_begun"]
        assert begun == [1, 2]
