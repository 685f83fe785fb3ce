"""The verdict on a first drill: every phase, every move and every proof is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from bundle_maker import HELD, WEST, Harm, Story, make_bundle

from muster.judge.findings import observed
from muster.judge.verdict import Verdict, judge

PHASES = (
    ("preflight", None, 5.0),
    ("ramp", None, 20.0),
    ("baseline", "L", 60.0),
    ("shift", "L", 20.0),
    ("shifted", "L", 60.0),
    ("shift_back", "L", 60.0),
    ("verify", None, 8.0),
)
MOVES = ("shift", "shifted", "shift_back")
FAULT = {"fault": "traffic_shift", "region": WEST}


def events_of(story: Story) -> list[dict[str, Any]]:
    """What a whole drill records of its shift."""
    away_s, held_s, back_s = (story.span(name)[0] for name in MOVES)
    proof = {**FAULT, "event": "fault_proof", "proven": True, "proof": HELD, "why": "38 %"}
    found = [
        {"t": away_s + 1, "event": "fault_declared", **FAULT, "expects": []},
        {"t": away_s + 2, "event": "step", "shares": {WEST: 38}, "weights": {}},
        {"t": away_s + 3, "event": "fault_applied", **FAULT},
        {"t": away_s + 4, **proof},
        {"t": held_s + 40, **proof},
        {"t": back_s + 1, "event": "step", "shares": {WEST: 50}, "weights": {}},
        {"t": back_s + 2, "event": "fault_reverted", **FAULT},
    ]
    for name in MOVES:
        one = observed(
            "traffic_split", "client", "pass", "", measured=0.4, threshold=5.0, unit="points",
            phase=name, region=WEST,
        )  # fmt: skip
        found.append({"t": story.span(name)[1] - 1, "event": "finding", "finding": one.as_json()})
    return found


def verdict_of(folder: Any, keep: Any = lambda event: True, **changes: Any) -> Verdict:
    """The verdict on a drill that recorded what `keep` lets through."""
    story = Story(
        kind="experiment", drill="hello", gate="M1", tier="L", drill_tier=None,
        profile="m1_1k", scale=1.0, phases=PHASES, server_processes=1, shards=1, **changes,
    )  # fmt: skip
    story.extra = tuple(event for event in events_of(story) if keep(event))
    return judge(make_bundle(folder / "bundle", story))


def reasons(verdict: Verdict) -> str:
    return "; ".join(verdict.document["unknowns"])


def test_a_whole_one_passes_by_the_baseline_the_shift_and_after_it(tmp_path):
    """Each phase is judged by the gate's tier, and all of them together."""
    verdict = verdict_of(tmp_path)
    assert verdict.verdict == "PASS", reasons(verdict)
    judged = {f.phase for f in verdict.findings if f.slo == "success_2xx"}
    assert judged == {"baseline", *MOVES, "baseline..shift_back"}
    assert {f.tier for f in verdict.findings if f.slo == "success_2xx"} == {"L"}


@pytest.mark.parametrize("name", ["baseline", *MOVES])
def test_an_slo_missed_in_any_phase_fails(tmp_path, name):
    """Before, while the share is away, and after."""
    verdict = verdict_of(tmp_path, harm={name: Harm(rate_5xx=0.03)})
    assert verdict.verdict == "FAIL"
    assert any(f.slo == "rate_5xx" and f.status == "fail" for f in verdict.findings)


@pytest.mark.parametrize("name", MOVES)
def test_a_move_without_its_split_is_unknown(tmp_path, name):
    """Weights that stand prove nothing about the traffic."""
    verdict = verdict_of(tmp_path, lambda e: e.get("finding", {}).get("phase") != name)
    assert verdict.verdict == "INCONCLUSIVE"
    assert "it is not recorded how new streams were split" in reasons(verdict)


@pytest.mark.parametrize("event", ["fault_proof", "fault_"])
def test_a_shift_that_was_not_seen_is_unknown(tmp_path, event):
    """Never declared, or declared and never verified."""
    verdict = verdict_of(tmp_path, lambda e: not e["event"].startswith(event))
    assert verdict.verdict == "INCONCLUSIVE"
    assert "its effect was never verified" in reasons(verdict)


def test_a_split_that_failed_fails(tmp_path):
    """In the hold: the weights stood, and the streams did not."""

    def worse(event: dict[str, Any]) -> bool:
        if event.get("finding", {}).get("phase") == "shifted":
            event["finding"]["status"] = "fail"
        return True

    assert verdict_of(tmp_path, worse).verdict == "FAIL"
