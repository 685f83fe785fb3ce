"""The load's histograms in columns: the same sums as line by line, and nothing of half a second."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.reports.loadfile import read_load
from muster.reports.tallies import first_reaching, tallies_of

COUNTS = st.dictionaries(st.integers(0, 40).map(str), st.integers(0, 9).map(float), max_size=5)


def line(second: int, buckets: dict[str, object], **more: object) -> str:
    told = {"t": 1000.5 + second, "completion_ms": {"west": buckets}, **more}
    return json.dumps(told) + "\n"


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 12), COUNTS, max_size=8), st.integers(0, 12))
def test_a_stretch_sums_its_seconds(told: dict[int, dict[str, float]], cut: int) -> None:
    """Any stretch, and the two halves of the whole together."""
    found = tallies_of({("completion", "west"): told})
    for first, last in ((0, 13), (0, cut), (cut, 13)):
        expected: Counter[int] = Counter()
        for second, counts in told.items():
            if first <= second < last:
                expected.update({int(bucket): n for bucket, n in counts.items()})
        counted = found.counts("completion", first, last)
        assert {i: n for i, n in enumerate(counted.tolist()) if n} == +expected
    assert found.counts("completion", 0, 13, "east").sum() == 0


def test_a_second_without_every_shard_counts_nothing(tmp_path: Path) -> None:
    """The sum of some shards is not the load's sum, in a histogram neither."""
    (tmp_path / "load-0.jsonl").write_text("".join(line(i, {"5": 10}) for i in (0, 1, 2)))
    (tmp_path / "load-1.jsonl").write_text("".join(line(i, {"5": 1}) for i in (2, 0)))
    load, faults = read_load(sorted(tmp_path.glob("load-*.jsonl")))
    assert load is not None
    assert not faults
    assert [load.counts("completion", 1000 + i, 1001 + i)[5] for i in range(3)] == [11, 0, 11]
    assert load.is_whole(1000, 1001)
    assert not load.is_whole(1000, 1003)


def test_what_is_no_bucket_is_over_every_bucket(tmp_path: Path) -> None:
    """And a count that is no number is none."""
    odd = {"3": 2, "never": 4, "-1": 1, "70000": 1, "4": "many", "2": None}
    path = tmp_path / "load-0.jsonl"
    path.write_text(line(0, odd) + line(1, {"3": 1}) + line(2, ["x"]) + "[]\n")  # type: ignore[arg-type]
    load, faults = read_load([path])
    assert load is not None
    assert faults == ["load-0.jsonl: a line is not a JSON object and is left out"]
    counts = load.counts("completion", 1000, 1003)
    assert counts[3] == 3
    assert counts[-1] == 6
    assert load.edges_s[-1] == math.inf
    assert load.quantile(counts, 0.3) == pytest.approx(1.01**3 / 1000)
    assert load.quantile(counts, 0.9) == math.inf


def test_nothing_has_no_quantile() -> None:
    """Not zero."""
    assert first_reaching(np.zeros(4), 0.5) is None
    assert first_reaching(np.zeros(0), 0.5) is None
    assert first_reaching(np.asarray([0.0, 95.0, 5.0]), 0.95) == 1
