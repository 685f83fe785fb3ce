"""Time between tokens and the outcomes of streams, as a report shows them."""

from __future__ import annotations

import json
from pathlib import Path

from muster.reports.gaps import gap_facts
from muster.reports.lines import classes, errors
from muster.reports.loadfile import read_load
from muster.reports.model import PhaseRow

HEADER = {"schema": 1, "bucket_ratio": 1.01, "bucket_min_ms": 1.0, "shard": 0}


def phase(name: str, start_s: float, end_s: float, tier: str | None = "G") -> PhaseRow:
    return PhaseRow(name, tier, "complete", start_s, end_s, "", "", "")


def record(path: Path, **changes: object) -> Path:
    """Four seconds: 100 gaps of 464 (100 ms) each, and in the third one stall of a minute."""
    rows = [HEADER]
    for second in range(4):
        gaps = {"464": 100, "1106": 2} if second == 2 else {"464": 100}
        row = {
            "t": 1000.5 + second,
            "shard": 0,
            "answers": {"west": {"200": 10, "429": 1}},
            "outcomes": {"west": {"success": 6, "error_in_stream": 3, "empty_stream": 1}},
            "token_gap_ms": {"west": gaps},
            "token_gap_ms_max": {"west": 60_000.0 if second == 2 else 101.0},
        }
        rows.append({key: value for key, value in {**row, **changes}.items() if value is not None})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_each_judged_phase_shows_p95_p99_and_its_longest_stall(tmp_path):
    """A stall of a minute stands in the phase in which it ended, and in no other."""
    load, faults = read_load([record(tmp_path / "load-0.jsonl")])
    assert not faults
    phases = [
        phase("ramp", 999, 1000, None),
        phase("baseline", 1000, 1002),
        phase("dark", 1002, 1004),
    ]
    facts = {
        fact.label: fact.value.replace("\N{NO-BREAK SPACE}", " ")
        for fact in gap_facts(load, phases)
    }
    assert facts == {
        "Between tokens, baseline": "p95 0.10 s, p99 0.10 s, Longest stall 0.10 s",
        "Between tokens, dark": "p95 0.10 s, p99 0.10 s, Longest stall 60.0 s",
    }


def test_a_record_without_gaps_shows_no_line(tmp_path):
    """Older records, and none at all, have nothing to show: no zero stands for it."""
    path = record(tmp_path / "load-0.jsonl", token_gap_ms=None, token_gap_ms_max=None)
    load, _ = read_load([path])
    assert gap_facts(load, [phase("dark", 1000, 1004)]) == ()
    assert gap_facts(None, [phase("dark", 1000, 1004)]) == ()


def test_errors_in_streams_and_empty_streams_are_classes_of_their_own(tmp_path):
    """They stand beside broken streams; without one no line is drawn for them."""
    load, _ = read_load([record(tmp_path / "load-0.jsonl")])
    found = classes(load.seconds[0])
    assert (found["2xx"], found["error in stream"], found["empty stream"]) == (10, 3, 1)
    assert {"error in stream", "empty stream"} <= {line.name for line in errors(load, 1000)}
    quiet = record(tmp_path / "quiet-0.jsonl", outcomes={"west": {"success": 10}})
    load, _ = read_load([quiet])
    names = {line.name for line in errors(load, 1000)}
    assert "broken" in names
    assert not {"error in stream", "empty stream"} & names
