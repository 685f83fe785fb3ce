"""Histograms of the load's record, second by second, in little memory.

Two hours at 20,000 streams have millions of (bucket, count) pairs. They are kept as plain arrays,
in the order in which each shard wrote them, and a stretch of time is a slice of each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]
"""Counts by bucket index; the last one is of what is over every bucket."""
_OVER = 0xFFFF


class _Indexes(dict[str, int]):
    """Buckets as numbers, each parsed once: a record names the same few hundred all the time."""

    def __missing__(self, bucket: str) -> int:
        index = int(bucket)
        if len(self) < _OVER:
            self[bucket] = index
        return index


_INDEXES = _Indexes()


@dataclass
class Rows:
    """One histogram of one shard while it is read: a row of pairs for each of its lines."""

    line: array[int] = field(default_factory=lambda: array("I"))
    length: array[int] = field(default_factory=lambda: array("I"))
    bucket: array[int] = field(default_factory=lambda: array("H"))
    count: array[float] = field(default_factory=lambda: array("f"))

    def add(self, line: int, counts: Mapping[str, Any]) -> None:
        """The pairs of line number `line`; a bucket that is no index is over every bucket."""
        try:
            buckets = array("H", map(_INDEXES.__getitem__, counts))
            numbers = array("f", counts.values())
        except (ValueError, OverflowError, TypeError):
            pairs = [(_index(bucket), _number(n)) for bucket, n in counts.items()]
            buckets = array("H", [bucket for bucket, _ in pairs])
            numbers = array("f", [n for _, n in pairs])
        self.line.append(line)
        self.length.append(len(buckets))
        self.bucket.extend(buckets)
        self.count.extend(numbers)


@dataclass(frozen=True)
class Block:
    """One histogram of one shard: row r is of second `second[r]` (ascending) and holds the pairs
    from `offset[r]` to `offset[r + 1]`.
    """

    second: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    bucket: npt.NDArray[np.uint16]
    count: npt.NDArray[np.float32]

    @classmethod
    def of(cls, rows: Rows, seconds: npt.NDArray[np.int64], whole: npt.NDArray[np.bool_]) -> Block:
        """`seconds` gives the second of each line; of those that are not `whole` nothing stays."""
        second = seconds[np.asarray(rows.line, dtype=np.int64)]
        length = np.asarray(rows.length, dtype=np.int64)
        bucket = np.frombuffer(rows.bucket, dtype=np.uint16)
        count = np.frombuffer(rows.count, dtype=np.float32)
        kept = whole[second] if len(second) else np.zeros(0, dtype=bool)
        order = np.argsort(second, kind="stable")
        if not kept.all() or not np.array_equal(order, np.arange(len(order))):
            ends = np.cumsum(length)
            chosen = [int(row) for row in order if kept[row]]
            at = [np.arange(ends[row] - length[row], ends[row]) for row in chosen]
            pairs = np.concatenate(at) if at else np.zeros(0, dtype=np.int64)
            second, length = second[chosen], length[chosen]
            bucket, count = bucket[pairs], count[pairs]
        return cls(second, np.concatenate(([0], np.cumsum(length))), bucket, count)


@dataclass(frozen=True)
class Tallies:
    """Every histogram of the load: (kind, region) -> its shards' blocks."""

    blocks: Mapping[tuple[str, str], tuple[Block, ...]] = field(default_factory=dict)
    buckets: int = 0
    """Buckets with an edge; the index of what is over them."""

    @classmethod
    def of(cls, blocks: Mapping[tuple[str, str], tuple[Block, ...]]) -> Tallies:
        """The blocks with the number of buckets that any of them uses."""
        used = [
            int(block.bucket[block.bucket < _OVER].max(initial=0)) + 1
            for shards in blocks.values()
            for block in shards
        ]
        return cls(blocks, max(used, default=0))

    def has(self, kind: str) -> bool:
        """Whether there is any count of that kind."""
        return any(len(b.bucket) for (k, _), bs in self.blocks.items() if k == kind for b in bs)

    def counts(self, kind: str, first: int, last: int, region: str | None = None) -> Counts:
        """The sum of the seconds `first` to `last` (without it), over all regions or in one."""
        total = np.zeros(self.buckets + 1)
        for (name, where), blocks in self.blocks.items():
            if name != kind or region not in (None, where):
                continue
            for block in blocks:
                rows = np.searchsorted(block.second, (first, last))
                pairs = slice(int(block.offset[rows[0]]), int(block.offset[rows[1]]))
                bucket = np.minimum(block.bucket[pairs], self.buckets)
                total += np.bincount(bucket, weights=block.count[pairs], minlength=self.buckets + 1)
        return total


def tallies_of(told: Mapping[tuple[str, str], Mapping[int, Mapping[str, float]]]) -> Tallies:
    """Tallies of one shard from (kind, region) -> second -> bucket -> count."""
    blocks = {}
    for key, by_second in told.items():
        rows = Rows()
        for second, counts in sorted(by_second.items()):
            rows.add(second, counts)
        size = max(by_second, default=0) + 1
        blocks[key] = (Block.of(rows, np.arange(size), np.ones(size, dtype=bool)),)
    return Tallies.of(blocks)


def first_reaching(counts: Counts, share: float) -> int | None:
    """The index of the bucket that holds the quantile `share`; None without any count."""
    reached = np.cumsum(counts)
    if not len(reached) or reached[-1] <= 0:
        return None
    return int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12), side="left"))


def _index(bucket: str) -> int:
    try:
        index = int(bucket)
    except ValueError:
        return _OVER
    return index if 0 <= index < _OVER else _OVER


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if math.isfinite(value) else 0.0
