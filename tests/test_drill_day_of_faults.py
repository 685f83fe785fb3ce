"""The day of every fault, run whole on one testbed at 1,000 streams: each drill of it passes.

The day is run once, by the first test that needs it, and takes three quarters of an hour. A drill
that was INCONCLUSIVE for the rig's own lag alone says nothing: that one is run again by itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drill_runner import ROOT, Drill, drill
from test_drill_loss import REGION

from muster.drill.game_day.full import FILE
from muster.undo import read_undo

pytestmark = [pytest.mark.drills, pytest.mark.catalogue, pytest.mark.day]

SETTINGS = {"profile": "test_20k", "scale": "0.05"}
DAY_S_MAX = 3 * 3600.0
METHOD = json.loads((ROOT / FILE).read_text(encoding="utf-8"))["method"]
FILES = [step["provider"]["arguments"]["drill"] for step in METHOD]
LOSSES = ("region_loss", "region_partition", "region_grey")


@dataclass(frozen=True)
class Ended:
    """One drill's evidence."""

    bundle: Path

    @property
    def verdict(self) -> dict[str, Any]:
        """verdict.json."""
        found: dict[str, Any] = json.loads((self.bundle / "verdict.json").read_text())
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The ledger's lines of one event."""
        lines = (self.bundle / "ledger.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == name]


@dataclass(frozen=True)
class Day:
    """The day's run, its exit code and its own record."""

    run: Drill
    code: int
    record: dict[str, Any]

    def row(self, file: str) -> dict[str, Any]:
        """What the day says of that drill."""
        (row,) = (row for row in self.record["drills"] if row["file"] == file)
        return dict(row)

    def ended(self, file: str) -> Ended:
        """That drill's evidence."""
        return Ended(self.run.work / "out" / self.row(file)["drill_id"])


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The day, run to its end."""
    with drill(tmp_path_factory.mktemp("day"), **SETTINGS, on_fail="go_on") as one:
        one.start(ROOT / FILE)
        code = one.wait(DAY_S_MAX)
        latest = one.work / "out" / "latest_day" / "day.json"
        assert latest.is_file(), one.output[-4000:]
        yield Day(one, code, json.loads(latest.read_text()))


def rig_lag_alone(bundle: Path, tmp_path: Path) -> bool:
    """Whether only the rig's own lag kept this drill from its PASS."""
    alone = tmp_path / "alone"
    alone.mkdir(parents=True)
    (alone / bundle.name).symlink_to(bundle)
    tool = [sys.executable, str(ROOT / "tools" / "rig_lag_alone"), str(alone)]
    return subprocess.run(tool, check=False).returncode == 0


def passed(day: Day, file: str, tmp_path: Path) -> Iterator[Ended]:
    """The drill of that file, which passed: in the day, or by itself where the rig lagged then."""
    ended = day.ended(file)
    if ended.verdict["verdict"] == "INCONCLUSIVE" and rig_lag_alone(ended.bundle, tmp_path):
        with drill(tmp_path / "again", **SETTINGS) as one:
            one.start(ROOT / file)
            assert one.wait() == 0, one.output
            yield Ended(one.bundle)
        return
    yield ended


@pytest.mark.parametrize("file", FILES, ids=lambda file: Path(file).stem)
def test_a_healthy_platform_passes(day: Day, tmp_path: Path, file: str) -> None:
    """Every fault is proven in the path of the streams, every objective holds, all is back."""
    for one in passed(day, file, tmp_path):
        verdict = one.verdict
        unmet = [(f["slo"], f["status"], f["reason"]) for f in verdict["findings"]]
        unmet = [found for found in unmet if found[1] not in ("pass", "not_judged")]
        assert verdict["verdict"] == "PASS", (verdict["stopped_by"], unmet, verdict["unknowns"])
        assert all(fault["proven"] for fault in verdict["faults"])
        if file.startswith("experiments/"):
            assert verdict["faults"]
        assert one.events("verify")[-1]["verified"] is True
        undone = read_undo(one.bundle / "undo.jsonl").entries
        assert {entry.state for entry in undone} <= {"done"}


def test_what_a_loss_cost_is_told(day: Day, tmp_path: Path) -> None:
    """Found, left and come back to; what it broke is told, and judged by the target's limits."""
    for name in LOSSES:
        for one in passed(day, f"experiments/{name}.json", tmp_path / name):
            told = one.verdict["loss"]
            assert told["fault"] == name
            assert 0 < told["streams_broken"] < told["streams_open"]
            assert told["streams_broken_elsewhere"] == 0
            assert 0 < told["rto_s"] <= 8
            assert one.events("region_dark" if name == "region_loss" else "region_lost")
            assert {"detect_s", "lost_s", "restore_s"} <= set(one.verdict["timings_s"])
            report = (one.bundle / "report.md").read_text()
            assert f"The loss of {REGION} broke " in report


def test_names_that_are_empty_hurt_everyone_and_are_back_in_time(day: Day, tmp_path: Path) -> None:
    """Nobody is served meanwhile, which is told; users are back before the target's limit."""
    for one in passed(day, "experiments/dns_empty.json", tmp_path):
        told = one.verdict["outage"]
        assert told["attempts_failed"] > 0.5 * told["attempts"] > 0
        assert told["rto_s"] <= 4
        (rto,) = [f for f in one.verdict["findings"] if f["slo"] == "rto"]
        assert (rto["status"], rto["threshold"]) == ("pass", 4)
        assert "In the outage itself" in (one.bundle / "report.md").read_text()


def test_names_that_are_stale_hurt_nobody_and_are_caught_up_with(day: Day, tmp_path: Path) -> None:
    """Weights and answers disagree as long as it lasts, and agree in time after it."""
    for one in passed(day, "experiments/dns_stale.json", tmp_path):
        assert {fault["fault"] for fault in one.verdict["faults"]} == {"dns_stale", "traffic_shift"}
        assert 0 < one.verdict["timings_s"]["caught_up_s"] <= 8
        assert {f["status"] for f in one.verdict["findings"] if f["slo"] == "rto"} == {"pass"}


def test_the_day_says_what_its_drills_said(day: Day, tmp_path: Path) -> None:
    """Everything was seen to be as before after each; no testbed is left."""
    verdicts = {row["outcome"]["verdict"] for row in day.record["drills"]}
    assert day.record["verdict"] == ("PASS" if verdicts == {"PASS"} else "INCONCLUSIVE")
    assert day.code == (0 if verdicts == {"PASS"} else 3)
    assert all(row["recovery"]["ok"] for row in day.record["drills"])
    assert not list((day.run.work / "state").glob("testbed-*/state.json"))
