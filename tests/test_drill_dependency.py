"""Whole drills on a platform whose survivor needs the region that goes dark to be seen at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill

from muster.undo import read_undo

pytestmark = [pytest.mark.drills, pytest.mark.catalogue]


def test_a_drill_that_loses_its_samples_with_the_region_stops_and_restores(tmp_path: Path) -> None:
    """The only Prometheus is dark too: nobody sees the survivor, so nothing is passed or failed.

    The region comes back, and with it the samples, which show that everything is as before.
    """
    with drill(tmp_path, defect="survivor_prometheus_evacuated") as one:
        one.start(ROOT / "experiments" / "dependency.json")
        assert one.wait() == 4, one.output
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "data_lost"
        assert one.events("verify")[-1]["verified"] is True
        assert [event["region"] for event in one.events("region_dark")] == ["eu-west-1"]
        assert "restoring 3 of 3" in one.output


def test_a_steering_api_that_is_away_from_the_restore_on_is_waited_for(tmp_path: Path) -> None:
    """The region is lit all the same; its traffic comes back once the API does: PASS."""
    with drill(tmp_path) as one:
        one.start(ROOT / "experiments" / "compound_steering_unavailable.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS", one.output
        assert all(fault["proven"] for fault in one.verdict["faults"])
        assert one.verdict["timings_s"]["restore_s"] > 20
        assert one.verdict["timings_s"]["dark_s"] < 30


def test_a_steering_api_that_stays_away_is_named_with_what_to_do_by_hand(tmp_path: Path) -> None:
    """ROLLBACK_FAILED, with the line; the region runs, and only its traffic is elsewhere."""
    with drill(tmp_path, defect="steering_stays_away") as one:
        one.start(ROOT / "experiments" / "compound_steering_unavailable.json")
        assert one.wait(seconds_max=400.0) == 5, one.output
        assert one.verdict["verdict"] == "ROLLBACK_FAILED", one.output
        verify = one.events("verify")[-1]
        assert any("change-resource-record-sets" in line for line in verify["commands"]), verify
        assert [event["region"] for event in one.events("region_lit")] == ["eu-west-1"]
        kinds = {
            entry.kind
            for entry in read_undo(one.bundle / "undo.jsonl").entries
            if entry.state != "done"
        }
        assert "traffic_shift" in kinds
        assert "region_power" not in kinds
