"""Whole drills of DNS that fails: no record for anyone, and records that are read no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill

pytestmark = [pytest.mark.drills, pytest.mark.catalogue]


def test_an_empty_answer_hurts_everyone_and_is_over_in_time(tmp_path: Path) -> None:
    """Nobody is served meanwhile, which is told; users are back before the target's limit."""
    with drill(tmp_path) as one:
        one.start(ROOT / "experiments" / "dns_empty.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert all(fault["proven"] for fault in one.verdict["faults"])
        told = one.verdict["outage"]
        assert told["attempts_failed"] > 0.5 * told["attempts"] > 0
        assert told["rto_s"] <= 4
        (rto,) = [f for f in one.verdict["findings"] if f["slo"] == "rto"]
        assert (rto["status"], rto["threshold"]) == ("pass", 4)
        assert "In the outage itself" in (one.bundle / "report.md").read_text()
        assert one.events("verify")[-1]["verified"] is True


def test_a_negative_answer_that_is_kept_for_long_fails(tmp_path: Path) -> None:
    """The records are back, and the users are not."""
    with drill(tmp_path, defect="long_negative_ttl") as one:
        one.start(ROOT / "experiments" / "dns_empty.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        assert "rto" in one.failures()
        assert one.events("verify")[-1]["verified"] is True


def test_stale_answers_hurt_nobody_and_are_caught_up_with(tmp_path: Path) -> None:
    """Weights and answers disagree as long as it lasts, and agree in time after it."""
    with drill(tmp_path) as one:
        one.start(ROOT / "experiments" / "dns_stale.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert {fault["fault"] for fault in one.verdict["faults"]} == {"dns_stale", "traffic_shift"}
        assert all(fault["proven"] for fault in one.verdict["faults"])
        assert 0 < one.verdict["timings_s"]["caught_up_s"] <= 8
        assert {f["status"] for f in one.verdict["findings"] if f["slo"] == "rto"} == {"pass"}


def test_a_name_server_that_never_reads_again_fails(tmp_path: Path) -> None:
    """The shift that it slept through never comes."""
    with drill(tmp_path, defect="never_reads_again") as one:
        one.start(ROOT / "experiments" / "dns_stale.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        assert one.verdict["stopped_by"] == "platform:traffic_would_not_leave"
        assert one.events("verify")[-1]["verified"] is True
