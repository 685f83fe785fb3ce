"""Whole drills against gateways that miscount: neither is ever a pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import drill
from test_drill_verdicts import weights_are_back

pytestmark = pytest.mark.drills


def test_a_gateway_that_counts_every_second_request_is_never_a_pass(tmp_path: Path) -> None:
    """The load counts twice as many answers: the platform's figures are unknown, and named."""
    with drill(tmp_path, defect="counts_half") as one:
        one.start()
        assert one.wait() == 3, one.output
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert "attempts_agree" in one.unknown()
        told = [line for line in one.verdict["unknowns"] if "attempts_agree" in line]
        assert any("do not count every answer" in line for line in told), told
        assert weights_are_back(one)


def test_counters_of_workers_in_turn_are_never_a_pass(tmp_path: Path) -> None:
    """Seen under load before anything is changed, with the series named."""
    with drill(tmp_path, defect="sawtooth_counters") as one:
        one.start()
        assert one.wait() == 3, one.output
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert one.verdict["stopped_by"] == "signals:unsound", one.output
        assert "is not a counter: " in one.output
        assert not one.events("undo")
