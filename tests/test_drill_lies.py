"""Whole drills against a survivor whose answers lie: none of them may pass for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from drill_runner import TARGET, drill

pytestmark = pytest.mark.drills


@pytest.mark.parametrize(
    ("defect", "slos", "outcome"),
    [
        ("errors_in_stream", {"success_2xx"}, "error_in_stream"),
        ("empty_streams", {"success_2xx"}, "empty_stream"),
        ("cached_answers", {"stream_lengths", "streams_achieved"}, None),
    ],
)
def test_a_survivor_that_answers_200_and_lies_fails(
    tmp_path: Path, defect: str, slos: set[str], outcome: str | None
) -> None:
    """Errors in 200 streams, empty streams and answers from a cache FAIL by their own names."""
    with drill(tmp_path, defect=defect) as one:
        one.start()
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        named = one.failures() | {(one.verdict["stopped_by"] or "").partition(":")[2]}
        assert named & slos, (named, one.output)
        if outcome is not None:
            assert one.verdict["load"]["outcomes"][outcome] > 0
            failed = [f for f in one.verdict["findings"] if f["status"] == "fail"]
            assert any(outcome in f["reason"] for f in failed if f["slo"] == "success_2xx")
            assert outcome.replace("_", " ") in (one.bundle / "report.md").read_text()


def test_a_stall_in_the_middle_of_streams_stands_in_the_report(tmp_path: Path) -> None:
    """Streams that stand still are judged by their completion; the longest stall is reported."""
    data = yaml.safe_load(TARGET.read_text())
    # Streams that stand still stay open: the region has room for them.
    data["testbed"]["gateway"] |= {"stalled_s": 20, "streams_limit_factor": 2.5}
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with drill(tmp_path / "drill", defect="stalled_streams", target=str(path)) as one:
        one.start()
        one.wait()
        assert one.failures() <= {"completion_p95"}, one.output
        lines = (one.bundle / "load-0.jsonl").read_text().splitlines()
        gaps_ms = [json.loads(line).get("token_gap_ms_max", {}) for line in lines]
        assert max(gap for second in gaps_ms for gap in second.values()) > 15_000
        assert "Longest stall" in (one.bundle / "report.md").read_text()
