"""Log-linear buckets of 1 % for charts; judged values are counted by exact edges.

Bucket i covers (min * ratio^(i-1), min * ratio^i] milliseconds; bucket 0 holds all smaller values.
Values that never came (a broken stream) have a bucket of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

BUCKET_RATIO = 1.01
BUCKET_MIN_MS = 1.0
NEVER = "inf"
"""The bucket for values that never came."""

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
    """Upper edge of the bucket that reaches `share` of all values; None if there are none."""
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
