"""One testbed through the day: kept, started anew for a drill that needs another, ended once."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drill_runner import ROOT
from game_days import SETTINGS, document
from held_clock import HeldClock

from muster import testbed
from muster.bundle import DAY_LEDGER
from muster.controls.days import day_in
from muster.drill.game_day import rig
from muster.drill.game_day.child import command_of, without_settings
from muster.drill.lock.held import FileLock
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.drill.plan.plan import DrillPlan
from muster.drill.start import new_id, told_id
from muster.errors import BadInput, DrillAborted
from muster.reports.history.read import bundles_in

REDIS = "experiments/redis_outage.json"


class Testbed:
    """What `muster.testbed` does, in a moment."""

    __test__ = False

    def __init__(self) -> None:
        self.state: Any = None
        self.started_at = time.time()
        self.said: list[str] = []

    def status(self, name: str) -> Any:
        return self.state

    def up(self, target: Any, profile: Any, **asked: Any) -> Any:
        self.said.append(f"up {profile.name} {asked['scale']:g} {asked['owner']}")
        self.state = SimpleNamespace(
            profile=profile.name,
            scale=asked["scale"],
            defect=asked["defect"],
            owner=asked["owner"],
            started_at=self.started_at,
        )
        return self.state

    def down(self, name: str) -> bool:
        self.said.append("down")
        self.state = None
        return True


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Testbed:
    found = Testbed()
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    for name in ("status", "up", "down"):
        monkeypatch.setattr(testbed, name, getattr(found, name))
    monkeypatch.chdir(ROOT)
    return found


def plan(**settings: str) -> DrillPlan:
    return day_in("day.json", document(REDIS), {**SETTINGS, **settings}).entries[0].plan


def test_it_is_started_once_and_ended_at_the_end(bed: Testbed) -> None:
    """Also one that a killed day left up; a person's is left alone."""
    assert rig.ready(plan(), "D") is True
    assert rig.ready(plan(), "D") is False
    assert bed.said == ["up test_short 1 day-D"]
    assert rig.end(plan().target) is True
    assert rig.end(plan().target) is False
    assert bed.said[1:] == ["down"]
    rig.ready(plan(), "E")
    bed.state.owner = "up"
    assert rig.end(plan().target) is False


def test_a_drill_that_needs_another_gets_another(bed: Testbed) -> None:
    """Only if it is a day's: what a person started is not ended under them."""
    rig.ready(plan(), "D")
    assert rig.ready(plan(scale="0.5"), "D") is True
    assert bed.said == ["up test_short 1 day-D", "down", "up test_short 0.5 day-D"]
    bed.state.owner = "up"
    with pytest.raises(BadInput, match="already up"):
        rig.ready(plan(), "D")
    with pytest.raises(BadInput, match="already up"):
        rig.check_rig(plan())
    rig.check_rig(plan(scale="0.5"))


def test_one_that_would_end_itself_under_the_drill_is_renewed_before_it(bed: Testbed) -> None:
    """It lives for a bounded time. A person's is not ended: the day stops and says what to do."""
    spec = plan().target.testbed
    assert spec is not None
    clock, length_s = HeldClock(), 100.0
    least_s = rig.LATER * length_s + rig.LATER_S
    bed.started_at = clock.now_s() - float(spec.lifetime_s_max) + least_s
    assert rig.ready(plan(), "D", length_s, clock) is True
    assert rig.ready(plan(), "D", length_s, clock) is False
    assert rig.ready(plan(), "D", length_s + 1, clock) is True
    assert bed.said == ["up test_short 1 day-D", "down", "up test_short 1 day-D"]
    bed.state.owner = "up"
    with pytest.raises(
        BadInput, match=r"lifetime_s_max: got '260 s left .* expected at least 262 s"
    ):
        rig.ready(plan(), "D", length_s + 1, clock)


@pytest.mark.parametrize("shown", ["lock", "drill", "watchdog"])
def test_it_is_not_ended_under_a_drill_that_still_runs(bed: Testbed, shown: str) -> None:
    """As one of a day that was killed: by its lock if it is frozen, else by whoever is awake."""
    rig.ready(plan(), "D")
    target = plan().target
    run = RunFiles("20260101T000000Z-one-0000")
    run.make(target.name)
    held = FileLock(target.name, run.drill_id)
    beats: list[BeatFile] = []
    if shown == "lock":
        held.acquire()
    else:
        beats.append(BeatFile(run, "drill" if shown == "drill" else "watchdog"))
    for end in (lambda: rig.ready(plan(scale="0.5"), "E"), lambda: rig.end(target)):
        with pytest.raises(DrillAborted, match=run.drill_id) as refused:
            end()
        assert "\n" not in str(refused.value)
    assert bed.said == ["up test_short 1 day-D"]
    for beat in beats:
        beat.close()
    held.release()
    run.remove()
    assert rig.end(target) is True


def test_the_owner_of_a_days_testbed_is_no_drill() -> None:
    """`chaos drill recover` ends the testbed of a drill that is gone, and not that of a day."""
    from muster.drill.recover.again import DRILL_ID

    day_id = new_id("game_day")
    assert DRILL_ID.match(day_id)
    assert not DRILL_ID.match(rig.owner_of(day_id))


def test_a_drill_takes_the_id_that_its_day_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one of its own name that no evidence has yet; else nothing begins."""
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path))
    monkeypatch.delenv("MUSTER_DRILL_ID", raising=False)
    assert told_id("redis_outage") == ""
    drill_id = new_id("redis_outage")
    monkeypatch.setenv("MUSTER_DRILL_ID", drill_id)
    assert told_id("redis_outage") == drill_id
    with pytest.raises(BadInput, match="an id of hello"):
        told_id("hello")
    (tmp_path / drill_id).mkdir()
    with pytest.raises(BadInput, match="that no drill has yet"):
        told_id("redis_outage")
    monkeypatch.setenv("MUSTER_DRILL_ID", "../redis_outage")
    with pytest.raises(BadInput):
        told_id("redis_outage")


def test_a_drill_gets_the_days_settings_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment says was read by the day; the rest of it the drill needs."""
    monkeypatch.setenv("MUSTER_SCALE", "0.3")
    monkeypatch.setenv("MUSTER_ON_FAIL", "go_on")
    monkeypatch.setenv("MUSTER_OUT_DIR", "/out")
    found = command_of("a.json", {"scale": "1", "target": "test"}, "ID", tmp_path / "01-a")
    assert found.arguments[-5:] == ("--var", "scale=1", "--var", "target=test", "a.json")
    assert str(tmp_path / "01-a.log") in found.arguments
    assert found.environment["MUSTER_DRILL_ID"] == "ID"
    assert found.environment["MUSTER_OUT_DIR"] == "/out"
    assert {"MUSTER_SCALE", "MUSTER_ON_FAIL"} & set(found.environment) == set()
    assert without_settings({"MUSTER_SEED": "1", "HOME": "/x"}) == {"HOME": "/x"}


def test_a_day_is_no_drill_of_the_history(tmp_path: Path) -> None:
    """Its directory has no bundle, and no verdict that a gate or a trend could take."""
    for name, file in (("drill", "ledger.jsonl"), ("day", DAY_LEDGER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    assert [one.name for one in bundles_in(tmp_path)] == ["drill"]
