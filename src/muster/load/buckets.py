"""Two histograms: exact edges for what is judged, log-linear buckets of 1 % for what is drawn.

Bucket i of the second covers (min * ratio^(i-1), min * ratio^i] milliseconds; 0 holds all below.
What never came (a broken stream) stands over every edge.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

BUCKET_RATIO = 1.01
BUCKET_MIN_MS = 1.0
NEVER = "inf"
"""The bucket of what never came."""

_LOG_RATIO = math.log(BUCKET_RATIO)


def bucket_index(value_ms: float) -> int:
    """Index of the bucket that holds `value_ms`."""
    if value_ms <= BUCKET_MIN_MS:
        return 0
    return math.ceil(math.log(value_ms / BUCKET_MIN_MS) / _LOG_RATIO - 1e-9)


def bucket_edge_ms(index: int) -> float:
    """Upper edge of bucket `index`."""
    return BUCKET_MIN_MS * BUCKET_RATIO**index


def quantile_ms(counts: Mapping[int | str, int], share: float) -> float | None:
    """Upper edge of the bucket in which `share` of all is reached; None when there is nothing."""
    total = sum(counts.values())
    if total == 0:
        return None
    wanted = share * total
    seen = 0
    for index in sorted(key for key in counts if isinstance(key, int)):
        seen += counts[index]
        if seen >= wanted:
            return bucket_edge_ms(index)
    return math.inf


class EdgeHistogram:
    """Counts by exact upper edges (seconds), as Prometheus shows them."""

    __slots__ = ("counts", "edges_s", "labels", "sum_s", "total")

    def __init__(self, edges_s: Sequence[float]) -> None:
        self.edges_s = tuple(edges_s)
        self.labels = tuple(f"{edge:g}" for edge in self.edges_s)
        self.counts = [0] * (len(self.edges_s) + 1)
        self.total = 0
        self.sum_s = 0.0

    def observe(self, value_s: float) -> None:
        """One value; an edge holds what equals it."""
        self.counts[bisect_left(self.edges_s, value_s)] += 1
        self.total += 1
        self.sum_s += value_s

    def observe_never(self, age_s: float) -> None:
        """One that never came: over every edge. `age_s` enters the sum alone."""
        self.counts[-1] += 1
        self.total += 1
        self.sum_s += age_s

    def cumulative(self) -> list[tuple[str, int]]:
        """(`le`, count at or under it), `+Inf` last."""
        rows = []
        seen = 0
        for label, count in zip((*self.labels, "+Inf"), self.counts, strict=True):
            seen += count
            rows.append((label, seen))
        return rows
