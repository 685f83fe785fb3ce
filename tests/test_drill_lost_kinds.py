"""Whole drills by which users lose a region whose processes go on: cut off, or failing them."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill
from test_drill_loss import REGION, is_back

pytestmark = [pytest.mark.drills, pytest.mark.catalogue]

DEFECTS_OF = {"region_partition": "checks_from_inside", "region_grey": "shallow_health"}


@pytest.mark.parametrize("name", DEFECTS_OF)
def test_a_healthy_platform_passes(tmp_path: Path, name: str) -> None:
    """Found, left and come back to; what it broke is told, and judged by its own limits."""
    with drill(tmp_path) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert [fault["proven"] for fault in one.verdict["faults"]] == [True] * 3
        told = one.verdict["loss"]
        assert told["fault"] == name
        assert 0 < told["streams_broken"] < told["streams_open"]
        assert told["streams_broken_elsewhere"] == 0
        assert 0 < told["rto_s"] <= 8
        assert one.events("region_lost")
        assert not one.events("region_dark")
        assert {"detect_s", "lost_s", "restore_s"} <= set(one.verdict["timings_s"])
        assert f"The loss of {REGION} broke " in (one.bundle / "report.md").read_text()
        assert is_back(one)


@pytest.mark.parametrize(("name", "defect"), DEFECTS_OF.items())
def test_a_platform_with_the_defect_fails(tmp_path: Path, name: str, defect: str) -> None:
    """Its users stay with a region that fails them until the bound has passed."""
    with drill(tmp_path, defect=defect) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        assert one.verdict["stopped_by"] == "platform:loss_not_detected"
        assert is_back(one)
