"""Whole drills by which users lose a region whose processes go on: cut off, or failing them."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill
from test_drill_loss import is_back

pytestmark = [pytest.mark.drills, pytest.mark.catalogue]

DEFECTS_OF = {"region_partition": "checks_from_inside", "region_grey": "shallow_health"}


@pytest.mark.parametrize(("name", "defect"), DEFECTS_OF.items())
def test_a_platform_with_the_defect_fails(tmp_path: Path, name: str, defect: str) -> None:
    """Its users stay with a region that fails them until the bound has passed."""
    with drill(tmp_path, defect=defect) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        assert one.verdict["stopped_by"] == "platform:loss_not_detected"
        assert is_back(one)
