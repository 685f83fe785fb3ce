"""The last lines of a drill: verdict, at most three causes, whether all is back, the report."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from muster.drill.closing import closing
from muster.judge.findings import observed
from muster.judge.verdict import Verdict

REPORT = Path("reports/out/d/report.html")
VERIFIED = {"event": "verify", "t": 1_790_000_000.0, "verified": True}


def failed(slo: str) -> Any:
    return observed(slo, "client", "fail", "", measured=2.0, threshold=1.0, unit="s", phase="dark")


def lines(verdict: str, *events: dict[str, Any], **document: Any) -> list[tuple[int, str]]:
    findings = tuple(document.pop("findings", ()))
    made = Verdict(verdict, document.pop("by", None), findings, {"judged_by": "by G", **document})
    return closing(made, events, "targets/staging.yaml", REPORT)


def test_a_pass_is_four_lines() -> None:
    """Nothing to explain, and since when everything is back."""
    assert lines("PASS", VERIFIED) == [
        (logging.INFO, "verdict: PASS"),
        (logging.INFO, "by G"),
        (logging.INFO, "everything is back, read back at 14:13:20 UTC"),
        (logging.INFO, f"report: {REPORT}"),
    ]


def test_the_gravest_three_causes_come_first_and_the_rest_is_counted() -> None:
    """What stopped it, then what failed, then what is unknown; nothing twice."""
    stopped = {"event": "stopped", "by": "trigger:rate_5xx", "detail": "over 0.5 %"}
    found = lines(
        "FAIL",
        stopped,
        VERIFIED,
        by="trigger:rate_5xx",
        findings=[failed("queue_age"), failed("restore_time")],
        unknowns=["a gap", "a gap", "another"],
        timings_s={"trip_to_restored_s": 8.06},
    )
    texts = [text for _, text in found]
    assert found[0] == (logging.ERROR, "verdict: FAIL (trigger:rate_5xx)")
    assert texts[2] == "cause: stopped by trigger:rate_5xx: over 0.5 %"
    assert "queue_age" in texts[3]
    assert "restore_time" in texts[4]
    assert texts[5] == "and 2 more in the report"
    assert texts[6].endswith(" UTC, 8.1 s after the trip")


@pytest.mark.parametrize(
    ("undo", "words"),
    [
        ({"pending": ["chat."], "commands": ["aws x"]}, "NOT BACK: chat.; run: aws x"),
        ({"pending": ["chat."]}, "run: chaos drill recover --target targets/staging.yaml"),
        ({}, "NOT BACK: see the report"),
    ],
)
def test_what_is_not_back_names_what_to_run(undo: dict[str, Any], words: str) -> None:
    """Also where only the read-back failed."""
    found = lines("ROLLBACK_FAILED", {**VERIFIED, "verified": False}, undo=undo)
    (told,) = [(level, text) for level, text in found if "NOT BACK" in text]
    assert told[0] == logging.ERROR
    assert words in told[1]


def test_what_somebody_else_changed_is_told_and_not_called_lost() -> None:
    """The drill left it alone: a person decides."""
    found = lines("ABORTED", VERIFIED, undo={"changed_by_another": ["A west: weight 50 -> 40"]})
    (told,) = [(level, text) for level, text in found if "everything is back" in text]
    assert told[0] == logging.WARNING
    assert told[1].endswith("; left as somebody else changed it: A west: weight 50 -> 40")


def test_a_drill_that_changed_nothing_says_so() -> None:
    assert (logging.INFO, "nothing was changed") in lines("ABORTED")
