"""The client's p95 over a stretch, from the load's own record, whose buckets are 1 % wide.

The contract's histograms decide by counting, and show a p95 only as a range between two edges. This
p95 is shown beside that range and decides nothing. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from muster.reports.loadfile import LoadSeconds
from muster.reports.numbers import number, quantity

KINDS = {"first_token_p95": "first_token", "completion_p95": "completion"}
SHARE = 0.95


def recorded(load: LoadSeconds | None, finding: Mapping[str, Any]) -> str:
    """A clause for a client's latency finding; empty if the record does not show the p95."""
    kind = KINDS.get(str(finding.get("slo")))
    window = finding.get("window")
    if load is None or kind is None or finding.get("source") != "client":
        return ""
    if not isinstance(window, list | tuple) or len(window) != 2:
        return ""
    start_s, end_s = number(window[0]), number(window[1])
    if start_s is None or end_s is None:
        return ""
    p95_s = recorded_p95(load, kind, start_s, end_s)
    if p95_s is None:
        return ""
    if math.isinf(p95_s):
        return "p95 over every bucket by the load's own record"
    return f"p95 at most {quantity(p95_s, 's')} by the load's own record"


def recorded_p95(load: LoadSeconds, kind: str, start_s: float, end_s: float) -> float | None:
    """Upper edge of the bucket in which the p95 of all regions lies, in seconds.

    None if a second of the stretch is missing, or the stretch has no streams; infinite if more than
    5 % had no answer.
    """
    counts = recorded_counts(load, kind, start_s, end_s)
    return None if counts is None else p95_of(counts)


def recorded_counts(
    load: LoadSeconds, kind: str, start_s: float, end_s: float
) -> dict[float, float] | None:
    """How many streams of all regions were in each bucket, by its upper edge in seconds.

    None if a second of the stretch is missing.
    """
    if not load.is_whole(start_s, end_s):
        return None
    counts = load.counts(kind, start_s, end_s)
    used = counts > 0
    return dict(zip(load.edges_s[used].tolist(), counts[used].tolist(), strict=True))


def p95_of(counts: Mapping[float, float]) -> float | None:
    """Upper edge of the bucket in which the p95 lies; None without streams."""
    every = sum(counts.values())
    reached = 0.0
    for edge_s, n in sorted(counts.items()):
        reached += n
        if reached >= SHARE * every * (1 - 1e-12):
            return edge_s
    return None
