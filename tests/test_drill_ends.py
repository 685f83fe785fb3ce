"""Whole drills at their end: a slow report, a kill after the decision, and a busy machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from busy import busy
from drill_runner import Drill, drill
from floor_fixtures import await_true

from muster.bundle import check_seal
from muster.drill.watchdog.silence import LEASE_S

pytestmark = pytest.mark.drills
LAG_OF_THE_RIG = {"load_loop_lag", "load_late", "load_offered", "testbed_loop_lag"}
HOG = f"""
import ctypes, sys
if "muster.drill.drawing" in sys.orig_argv:
    ctypes.PyDLL(None).usleep(int({2.5 * LEASE_S} * 1e6))
"""
"""Every process of the drill reads it; the one that draws holds its interpreter's lock for long."""


def slow_report(one: Drill, folder: Path) -> None:
    """Let the drill's report take more than two leases."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOG)
    path = os.environ.get("PYTHONPATH", "")
    one.variables["PYTHONPATH"] = os.pathsep.join([str(folder), *([path] if path else [])])


def states(one: Drill) -> list[str]:
    return [event["state"] for event in one.events("watchdog")]


def test_a_slow_report_changes_no_verdict(tmp_path: Path) -> None:
    """Guarded until the load is out, released, and judged before the report is drawn."""
    with drill(tmp_path / "work") as one:
        slow_report(one, tmp_path / "slow")
        one.start()
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert states(one) == ["started", "released"]
        assert (one.bundle / "report.html").exists()
        assert check_seal(one.bundle).intact
        (started,) = one.events("drill_started")
        recorded = [event["phase"] for event in one.events("phase_started")]
        assert [name for name in recorded if name != "preflight"] == started["phases"]


def test_a_drill_killed_after_its_decision_keeps_it(tmp_path: Path) -> None:
    """The watchdog ends the testbed and completes the bundle; the verdict stays as it was."""
    with drill(tmp_path / "work") as one:
        slow_report(one, tmp_path / "slow")
        one.start()
        one.await_event("drill_ended")
        path = one.bundle / "verdict.json"
        await_true(path.exists, "the verdict")
        before = (path.stat().st_ino, path.read_bytes())
        assert one.process is not None
        one.process.kill()
        one.process.wait()
        await_true(lambda: not list((one.work / "state" / "drills").glob("*")), "its end", 180)
        assert (path.stat().st_ino, path.read_bytes()) == before
        assert json.loads(before[1])["verdict"] == "PASS"
        assert states(one) == ["started", "released"]
        assert not one.events("stopped")
        assert check_seal(one.bundle).intact
        assert not (one.work / "state" / "testbed-test" / "state.json").exists()


def test_a_busy_machine_changes_no_verdict(tmp_path: Path) -> None:
    """At load 30 a healthy platform passes, or the rig's own lag alone is what is unknown."""
    with drill(tmp_path) as one, busy(30, 240):
        one.start()
        code = one.wait()
        verdict = one.verdict
        assert verdict["stopped_by"] is None, one.output
        assert states(one) == ["started", "released"]
        if verdict["verdict"] != "PASS":
            assert verdict["verdict"] == "INCONCLUSIVE", one.output
            assert one.unknown() & LAG_OF_THE_RIG or "lag" in " ".join(verdict["unknowns"])
        assert (code == 0) == (verdict["verdict"] == "PASS")
