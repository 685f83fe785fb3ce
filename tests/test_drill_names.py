"""Whole drills of DNS that fails: no record for anyone, and records that are read no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill

pytestmark = [pytest.mark.drills, pytest.mark.catalogue]


def test_a_negative_answer_that_is_kept_for_long_fails(tmp_path: Path) -> None:
    """The records are back, and the users are not."""
    with drill(tmp_path, defect="long_negative_ttl") as one:
        one.start(ROOT / "experiments" / "dns_empty.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        assert "rto" in one.failures()
        assert one.events("verify")[-1]["verified"] is True


def test_a_name_server_that_never_reads_again_fails(tmp_path: Path) -> None:
    """The shift that it slept through never comes."""
    with drill(tmp_path, defect="never_reads_again") as one:
        one.start(ROOT / "experiments" / "dns_stale.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        assert one.verdict["stopped_by"] == "platform:traffic_would_not_leave"
        assert one.events("verify")[-1]["verified"] is True
