"""Whole drills on a platform whose survivor needs the region that goes dark to be seen at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill

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
