"""Whole drills of what a region's power can lie about: darkness, capacity, what it depends on."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, Drill, drill

pytestmark = pytest.mark.drills
REGION = "eu-west-1"


def read_back_of_the_region(one: Drill) -> dict:
    """The last read-back of the evacuated region."""
    (found,) = (
        item
        for item in one.events("verify")[-1]["readback"]
        if item["subject"] == f"region {REGION}"
    )
    return found


def test_a_region_that_lights_itself_in_the_dark_is_never_a_pass(tmp_path: Path) -> None:
    """Dark at both ends of the hold and lit for 7 s in its middle: not proven, and back again."""
    with drill(tmp_path, defect="lit_in_dark") as one:
        one.start()
        assert one.wait() == 3, one.output
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert one.verdict["stopped_by"] is None
        (proof,) = [f for f in one.verdict["findings"] if f["slo"] == "fault_proof"]
        assert proof["status"] == "unknown"
        assert "not throughout" in proof["reason"]
        whole = one.events("fault_proof")[-1]["proof"]
        assert whole["looks_not_proven"] > 1
        assert 0 < whole["first_not_proven_s"] < whole["last_not_proven_s"] < whole["held_s"]
        assert read_back_of_the_region(one)["ok"]


def test_a_region_that_comes_back_with_less_room_is_not_back(tmp_path: Path) -> None:
    """Ready, with room for a quarter: ROLLBACK_FAILED, by figures, and no traffic goes there."""
    with drill(tmp_path, defect="half_capacity_back") as one:
        one.start()
        assert one.wait() == 5, one.output
        assert one.verdict["verdict"] == "ROLLBACK_FAILED", one.output
        assert one.verdict["stopped_by"] == "platform:region_not_back"
        (stopped,) = one.events("stopped")
        assert "room for 75 streams" in stopped["detail"]
        back = read_back_of_the_region(one)
        assert (back["ok"], back["expected"]) == (False, "ready, power on, room for 300 streams")
        assert back["actual"] == "ready, power on, room for 75 streams"
        assert one.verdict["undo"]["pending"] == [f"region {REGION}"]
        steps = [e["shares"][REGION] for e in one.events("step")]
        assert steps[-1] == 0, "no traffic was stepped back to it"


def test_a_survivor_that_needs_the_evacuated_region_fails_in_the_dark(tmp_path: Path) -> None:
    """It admits through the Redis that goes dark: the reason for such a drill."""
    with drill(tmp_path, defect="survivor_needs_evacuated") as one:
        one.start()
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        dark = {"hard_failure:redis_unavailable", "rate_5xx", "success_2xx", "availability"}
        named = one.failures() | {(one.verdict["stopped_by"] or "").partition(":")[2]}
        assert named & dark, (named, one.output)
        assert one.events("region_dark")
        assert read_back_of_the_region(one)["ok"]


@pytest.mark.parametrize("name", ["redis_outage", "provider_latency", "region_loss"])
def test_a_fault_is_proven_all_through_and_its_end_is_quiet(tmp_path: Path, name: str) -> None:
    """On a healthy platform: PASS, every look of the hold proven, and quiet after it."""
    with drill(tmp_path) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        whole = one.events("fault_proof")[-1]["proof"]
        if name != "region_loss":
            assert whole["looks_proven"] > 3
        assert any(e["proof"].get("looks_proven", 0) > 3 for e in one.events("fault_proof"))
        assert not any(e["proof"].get("looks_not_proven") for e in one.events("fault_proof"))
        (quiet,) = [f for f in one.verdict["findings"] if f["slo"] == "recovery_quiet"]
        assert quiet["status"] == "pass"
