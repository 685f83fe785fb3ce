"""Whole first drills on a platform: a share of the traffic moves away and back, or does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill

pytestmark = pytest.mark.drills
HELLO = ROOT / "drills" / "hello.json"
REGION = "eu-west-1"


def test_a_platform_whose_traffic_follows_its_weights_passes(tmp_path: Path) -> None:
    """Both moves are seen, nothing goes dark or drains, and every weight is back."""
    with drill(tmp_path) as one:
        one.start(HELLO)
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        split = {
            f["phase"]: f["status"] for f in one.verdict["findings"] if f["slo"] == "traffic_split"
        }
        assert split == dict.fromkeys(("shift", "shifted", "shift_back", "verify"), "pass")
        judged = {f["phase"] for f in one.verdict["findings"] if f["slo"] == "success_2xx"}
        assert judged >= {"baseline", "shift", "shifted", "shift_back"}
        assert [fault["proven"] for fault in one.verdict["faults"]] == [True, True]
        shares = [event["shares"][REGION] for event in one.events("step")]
        assert shares == [38, 50]
        assert not [e for e in one.events() if e["event"] in ("region_dark", "region_lit")]
        assert {e["subject"] for e in one.events("undo")} == {"route53 chat.muster.test."}
        assert one.events("verify")[-1]["verified"] is True
        assert {"away_s", "back_s"} <= set(one.verdict["timings_s"])


def test_a_platform_whose_traffic_does_not_move_fails(tmp_path: Path) -> None:
    """A name server that ignores the weights: the platform's fault, and all is put back."""
    with drill(tmp_path, defect="ignores_weights") as one:
        one.start(HELLO)
        assert one.wait() == 1
        assert one.verdict["verdict"] == "FAIL", one.output
        # Where a look is within the tolerance by chance, the one at the hold's end is not.
        stopped = one.verdict["stopped_by"] == "platform:traffic_would_not_leave"
        assert stopped or "traffic_split" in one.failures()
        looks = one.events("verify")
        assert looks[-1]["verified"] is True
        assert not looks[-1]["pending"]
