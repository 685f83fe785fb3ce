"""The load's own record, one line per shard and second, summed over the shards for each second.

A second without a line from every shard is a gap: the sum of the others is not the load's sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Tally = dict[str, dict[str, float]]
"""region -> what -> count."""


@dataclass
class Second:
    """One second of the whole load: counters as differences, gauges as sums over the shards."""

    shards: int = 0
    streams_open: dict[str, float] = field(default_factory=dict)
    streams_target: float = 0.0
    answers: Tally = field(default_factory=dict)
    outcomes: Tally = field(default_factory=dict)
    canaries: Tally = field(default_factory=dict)
    first_token: Tally = field(default_factory=dict)
    completion: Tally = field(default_factory=dict)
    token_gap: Tally = field(default_factory=dict)
    token_gap_ms_max: float | None = None
    loop_lag_ms_max: float | None = None
    scheduled: float = 0.0
    offered: float = 0.0
    late: float = 0.0
    first_token_error: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadSeconds:
    """`seconds` by whole seconds after `start_s` (epoch); a second without every shard is absent.

    Bucket index i of a histogram covers (bucket_min_ms * ratio^(i-1), bucket_min_ms * ratio^i].
    """

    start_s: float
    length: int
    seconds: Mapping[int, Second]
    regions: tuple[str, ...]
    bucket_ratio: float
    bucket_min_ms: float

    def edge_s(self, index: str) -> float:
        """Upper edge of bucket `index` in seconds; infinite for the bucket over every edge."""
        try:
            return self.bucket_min_ms * self.bucket_ratio ** int(index) / 1000.0
        except (ValueError, OverflowError):
            return math.inf

    def histogram(
        self, kind: str, start_s: float, end_s: float, region: str | None = None
    ) -> dict[str, float]:
        """The buckets of `kind` (a field of Second) from `start_s` to `end_s`, summed over the
        regions, or of one.
        """
        counts: dict[str, float] = {}
        first = max(0, math.floor(start_s - self.start_s))
        for index in range(first, min(self.length, math.ceil(end_s - self.start_s))):
            second = self.seconds.get(index)
            if second is None:
                continue
            tally: Tally = getattr(second, kind)
            for where, buckets in tally.items():
                if region is None or where == region:
                    for bucket, n in buckets.items():
                        counts[bucket] = counts.get(bucket, 0.0) + n
        return counts


def read_load(paths: Sequence[Path]) -> tuple[LoadSeconds | None, list[str]]:
    """The shards' records summed, and a line for every file that could not be read completely."""
    faults: list[str] = []
    shards: list[list[Mapping[str, Any]]] = []
    ratio, minimum = 1.01, 1.0
    for path in paths:
        header, lines, fault = _shard(path)
        if fault:
            faults.append(f"{path.name}: {fault}")
        if lines:
            shards.append(lines)
        ratio = _positive(header.get("bucket_ratio"), ratio)
        minimum = _positive(header.get("bucket_min_ms"), minimum)
    if not shards:
        return None, faults
    start_s = math.floor(min(float(lines[0]["t"]) for lines in shards))
    seconds: dict[int, Second] = {}
    for lines in shards:
        _add_shard(seconds, lines, start_s)
    length = max(seconds) + 1
    whole = {
        index: second for index, second in sorted(seconds.items()) if second.shards == len(paths)
    }
    regions = sorted({r for second in whole.values() for r in _regions(second)})
    return LoadSeconds(start_s, length, whole, tuple(regions), ratio, minimum), faults


def _shard(path: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]], str]:
    header: Mapping[str, Any] = {}
    lines: list[Mapping[str, Any]] = []
    fault = ""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return {}, [], error.strerror or str(error)
    for text in raw.splitlines():
        try:
            record = orjson.loads(text)
        except ValueError:
            fault = "a line is not JSON and is left out"
            continue
        if not isinstance(record, dict):
            fault = "a line is not a JSON object and is left out"
        elif "bucket_ratio" in record and "t" not in record:
            header = record
        elif _finite(record.get("t")):
            lines.append(record)
    return header, lines, fault or ("" if lines else "has no line for any second")


def _add_shard(
    seconds: dict[int, Second], lines: Iterable[Mapping[str, Any]], start_s: float
) -> None:
    """Add one shard's lines; its ticks may be anywhere within the second."""
    rows = list(lines)
    fractions = sorted(float(row["t"]) % 1.0 for row in rows)
    phase = fractions[len(fractions) // 2]
    seen: set[int] = set()
    for row in rows:
        index = max(0, math.floor(float(row["t"]) - phase + 0.5) - math.floor(start_s))
        second = seconds.setdefault(index, Second())
        gauges = index not in seen
        seen.add(index)
        second.shards += gauges
        _add_row(second, row, gauges)


def _add_row(second: Second, row: Mapping[str, Any], gauges: bool) -> None:
    if gauges:
        for region, streams in _mapping(row.get("streams_open")).items():
            second.streams_open[region] = second.streams_open.get(region, 0.0) + _count(streams)
        second.streams_target += _count(row.get("streams_target"))
    for key, tally in (
        ("answers", second.answers),
        ("outcomes", second.outcomes),
        ("canaries", second.canaries),
        ("first_token_ms", second.first_token),
        ("completion_ms", second.completion),
        ("token_gap_ms", second.token_gap),
    ):
        for region, counts in _mapping(row.get(key)).items():
            into = tally.setdefault(region, {})
            for what, n in _mapping(counts).items():
                into[what] = into.get(what, 0.0) + _count(n)
    second.scheduled += _count(row.get("scheduled"))
    second.offered += _count(row.get("offered"))
    second.late += _count(row.get("late"))
    for bucket, n in _mapping(row.get("first_token_error_ms")).items():
        second.first_token_error[bucket] = second.first_token_error.get(bucket, 0.0) + _count(n)
    for gap_ms in _mapping(row.get("token_gap_ms_max")).values():
        second.token_gap_ms_max = max(_count(gap_ms), second.token_gap_ms_max or 0.0)
    lag = row.get("loop_lag_ms_max")
    if _finite(lag):
        second.loop_lag_ms_max = max(float(lag), second.loop_lag_ms_max or 0.0)  # type: ignore[arg-type]


def _regions(second: Second) -> set[str]:
    return {*second.streams_open, *second.answers, *second.outcomes}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> float:
    return float(value) if _finite(value) else 0.0


def _positive(value: Any, default: float) -> float:
    return float(value) if _finite(value) and value > 0 else default


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
