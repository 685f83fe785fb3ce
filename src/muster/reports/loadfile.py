"""The load's own record, one line per shard and second, summed over the shards for each second.

A second without a line from every shard is a gap: the sum of the others is not the load's sum. The
files are read line by line, and their histograms kept apart, in little memory (`tallies`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from muster.numbers import is_number
from muster.reports.tallies import Block, Counts, Rows, Tallies, first_reaching

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
    token_gap_ms_max: float | None = None
    loop_lag_ms_max: float | None = None
    scheduled: float = 0.0
    offered: float = 0.0
    late: float = 0.0


HISTOGRAMS = {
    "first_token_ms": "first_token",
    "completion_ms": "completion",
    "token_gap_ms": "token_gap",
}
"""Histograms by region: member of a line -> kind in the tallies."""
ERRORS = "first_token_error"
"""The kind of the histogram that has no region."""


@dataclass(frozen=True)
class LoadSeconds:
    """`seconds` by whole seconds after `start_s` (epoch); a second without every shard is absent.

    Bucket index i of a histogram covers (bucket_min_ms * ratio^(i-1), bucket_min_ms * ratio^i].
    `tallies` counts by such indexes, and holds nothing of a second that is absent.
    """

    start_s: float
    length: int
    seconds: Mapping[int, Second]
    regions: tuple[str, ...]
    bucket_ratio: float
    bucket_min_ms: float
    tallies: Tallies = field(default_factory=Tallies)

    @cached_property
    def edges_s(self) -> Counts:
        """Upper edges of the buckets in seconds, ascending; the last one is infinite."""
        index = np.arange(self.tallies.buckets, dtype=np.float64)
        with np.errstate(over="ignore"):
            edges = self.bucket_min_ms * self.bucket_ratio**index / 1000.0
        return np.append(edges, np.inf)

    def counts(self, kind: str, start_s: float, end_s: float, region: str | None = None) -> Counts:
        """The counts of `kind` by bucket from `start_s` to `end_s` (epoch), over all regions or in
        one.
        """
        first, last = self.indexes(start_s, end_s)
        return self.tallies.counts(kind, first, last, region)

    def quantile(self, counts: Counts, share: float) -> float | None:
        """Upper edge in seconds of the bucket that holds the quantile; infinite: over every bucket.
        None without any count.
        """
        index = first_reaching(counts, share)
        return None if index is None else float(self.edges_s[index])

    def indexes(self, start_s: float, end_s: float) -> tuple[int, int]:
        """The seconds that a stretch touches: the first, and the one after the last."""
        first = max(0, math.floor(start_s - self.start_s))
        return first, max(first, min(self.length, math.ceil(end_s - self.start_s)))

    def is_whole(self, start_s: float, end_s: float) -> bool:
        """Whether no second of the stretch is missing."""
        first = max(0, math.floor(start_s - self.start_s))
        return all(i in self.seconds for i in range(first, math.ceil(end_s - self.start_s)))


@dataclass
class _Shard:
    """One file while it is read."""

    times: list[float] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    histograms: dict[tuple[str, str], Rows] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def read_load(paths: Sequence[Path]) -> tuple[LoadSeconds | None, list[str]]:
    """The shards' records summed, and a line for every file that could not be read completely."""
    faults: list[str] = []
    shards: list[_Shard] = []
    ratio, minimum = 1.01, 1.0
    for path in paths:
        shard = _read(path)
        if shard.fault:
            faults.append(f"{path.name}: {shard.fault}")
        if shard.rows:
            shards.append(shard)
        ratio = _positive(shard.header.get("bucket_ratio"), ratio)
        minimum = _positive(shard.header.get("bucket_min_ms"), minimum)
    if not shards:
        return None, faults
    start_s = math.floor(min(shard.times[0] for shard in shards))
    seconds: dict[int, Second] = {}
    indexes = [_add_shard(seconds, shard, start_s) for shard in shards]
    length = max(seconds) + 1
    found = {
        index: second for index, second in sorted(seconds.items()) if second.shards == len(paths)
    }
    whole = np.zeros(length, dtype=bool)
    whole[list(found)] = True
    blocks: dict[tuple[str, str], tuple[Block, ...]] = {}
    for shard, index in zip(shards, indexes, strict=True):
        while shard.histograms:
            key, rows = shard.histograms.popitem()
            blocks[key] = (*blocks.get(key, ()), Block.of(rows, index, whole))
    regions = sorted({r for second in found.values() for r in _regions(second)})
    tallies = Tallies.of(dict(sorted(blocks.items())))
    return LoadSeconds(start_s, length, found, tuple(regions), ratio, minimum, tallies), faults


def _read(path: Path) -> _Shard:
    shard = _Shard()
    try:
        with path.open("rb") as file:
            for text in file:
                try:
                    record = orjson.loads(text)
                except ValueError:
                    shard.fault = "a line is not JSON and is left out"
                    continue
                _take(shard, record)
    except OSError as error:
        shard.fault = error.strerror or str(error)
        return shard
    if not shard.rows and not shard.fault:
        shard.fault = "has no line for any second"
    return shard


def _take(shard: _Shard, record: Any) -> None:
    """Add one line: its histograms to the columns, the rest of what is shown as it is."""
    if not isinstance(record, dict):
        shard.fault = "a line is not a JSON object and is left out"
    elif "bucket_ratio" in record and "t" not in record:
        shard.header = record
    elif is_number(record.get("t")):
        line = len(shard.rows)
        for member, kind in HISTOGRAMS.items():
            for region, counts in _mapping(record.pop(member, None)).items():
                if counts and isinstance(counts, dict):
                    shard.histograms.setdefault((kind, region), Rows()).add(line, counts)
        errors = record.pop("first_token_error_ms", None)
        if errors and isinstance(errors, dict):
            shard.histograms.setdefault((ERRORS, ""), Rows()).add(line, errors)
        record.pop("loop_lag_ms", None)
        shard.times.append(float(record["t"]))
        shard.rows.append(record)


def _add_shard(seconds: dict[int, Second], shard: _Shard, start_s: float) -> npt.NDArray[np.int64]:
    """Add one shard's lines, whose ticks may be anywhere in the second; return their seconds."""
    fractions = sorted(t % 1.0 for t in shard.times)
    phase = fractions[len(fractions) // 2]
    found = np.zeros(len(shard.rows), dtype=np.int64)
    seen: set[int] = set()
    for line, row in enumerate(shard.rows):
        index = max(0, math.floor(shard.times[line] - phase + 0.5) - math.floor(start_s))
        found[line] = index
        second = seconds.setdefault(index, Second())
        gauges = index not in seen
        seen.add(index)
        second.shards += gauges
        _add_row(second, row, gauges)
    return found


def _add_row(second: Second, row: Mapping[str, Any], gauges: bool) -> None:
    if gauges:
        for region, streams in _mapping(row.get("streams_open")).items():
            second.streams_open[region] = second.streams_open.get(region, 0.0) + _count(streams)
        second.streams_target += _count(row.get("streams_target"))
    for key, tally in (
        ("answers", second.answers),
        ("outcomes", second.outcomes),
        ("canaries", second.canaries),
    ):
        for region, counts in _mapping(row.get(key)).items():
            into = tally.setdefault(region, {})
            for what, n in _mapping(counts).items():
                into[what] = into.get(what, 0.0) + _count(n)
    second.scheduled += _count(row.get("scheduled"))
    second.offered += _count(row.get("offered"))
    second.late += _count(row.get("late"))
    for gap_ms in _mapping(row.get("token_gap_ms_max")).values():
        second.token_gap_ms_max = max(_count(gap_ms), second.token_gap_ms_max or 0.0)
    lag = row.get("loop_lag_ms_max")
    if is_number(lag):
        second.loop_lag_ms_max = max(float(lag), second.loop_lag_ms_max or 0.0)


def _regions(second: Second) -> set[str]:
    return {*second.streams_open, *second.answers, *second.outcomes}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> float:
    return float(value) if is_number(value) else 0.0


def _positive(value: Any, default: float) -> float:
    return float(value) if is_number(value) and value > 0 else default
