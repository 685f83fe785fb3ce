"""Whole drills that lose a region with no warning: each verdict, and each who restores."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from drill_runner import ROOT, Drill, drill
from floor_fixtures import await_true

pytestmark = pytest.mark.drills
LOSS = ROOT / "experiments" / "region_loss.json"
REGION = "eu-west-1"
BLACKOUT_S = 5.4


def is_back(one: Drill) -> bool:
    """Whether the region was started again and read back from the real system."""
    looks = one.events("verify")
    done = [e for e in one.events("undo") if e["state"] == "done" and REGION in e["subject"]]
    return bool(looks) and looks[-1]["verified"] is True and bool(done)


def test_a_region_lost_with_no_warning_passes_on_a_healthy_platform(tmp_path: Path) -> None:
    """Found, left and come back to; what it broke is counted and told, and nothing elsewhere."""
    with drill(tmp_path) as one:
        one.start(LOSS)
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert [fault["proven"] for fault in one.verdict["faults"]] == [True] * 3
        told = one.verdict["loss"]
        assert 0 < told["streams_broken"] < told["streams_open"]
        assert told["streams_broken_elsewhere"] == 0
        assert told["rto_s"] <= 8
        report = (one.bundle / "report.md").read_text()
        assert f"The loss of {REGION} broke {told['streams_broken']:.0f} of " in report
        assert "Rig pinned by the loss" in report
        assert is_back(one)


def test_a_loss_that_the_name_server_does_not_see_fails(tmp_path: Path) -> None:
    """Clients are sent to the lost region until the bound has passed: the platform's fault."""
    with drill(tmp_path, defect="ignores_health") as one:
        one.start(LOSS)
        assert one.wait() == 1
        assert one.verdict["verdict"] == "FAIL", one.output
        assert one.verdict["stopped_by"] == "platform:loss_not_detected"
        assert is_back(one)


def test_a_rig_that_stands_still_in_the_loss_proves_nothing(tmp_path: Path) -> None:
    """The load does not run for over 5 s: measured, told as the rig's own, and INCONCLUSIVE."""
    with drill(tmp_path) as one:
        one.start(LOSS)
        one.await_event("fault_proof")
        (started,) = one.events("load_started")
        for pid in started["pids"]:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(BLACKOUT_S)
        finally:
            for pid in started["pids"]:
                os.kill(pid, signal.SIGCONT)
        assert one.wait() == 3
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert "rig_blackout" in one.unknown()
        assert not one.failures()
        assert one.verdict["loss"]["rig"]["blackout_s"] >= BLACKOUT_S - 0.5
        assert {e["component"] for e in one.events("rig_pinned")} >= {"load"}
        assert "Not the platform's" in (one.bundle / "report.md").read_text()
        assert is_back(one)


def test_a_drill_killed_in_the_loss_is_ended_by_its_watchdog(tmp_path: Path) -> None:
    """SIGKILL while the region is gone: the watchdog starts it again, from the undo log."""
    with drill(tmp_path) as one:
        one.start(LOSS)
        one.await_event("fault_proof")
        assert one.process is not None
        one.process.kill()
        one.process.wait()
        runs = one.work / "state" / "drills"
        await_true(lambda: not any(runs.glob("*/target")), "the end of the drill", 90)
        assert one.verdict["verdict"] == "ABORTED"
        assert one.verdict["stopped_by"] == "lost_lease"
        assert is_back(one)
