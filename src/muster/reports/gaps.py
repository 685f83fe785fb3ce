"""Time between the tokens of a stream, by phase: recorded and shown, not judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from muster.reports.loadfile import LoadSeconds
from muster.reports.model import Fact, PhaseRow
from muster.reports.numbers import NO_DATA, seconds


def gap_facts(load: LoadSeconds | None, phases: Sequence[PhaseRow]) -> tuple[Fact, ...]:
    """One line for each judged phase: p95, p99 and the longest stall; none for a record without
    them.
    """
    if load is None or not any(second.token_gap for second in load.seconds.values()):
        return ()
    facts = []
    for phase in phases:
        if phase.tier and phase.start_s is not None and phase.end_s is not None:
            value = _phase(load, phase.start_s, phase.end_s)
            facts.append(Fact(f"Between tokens, {phase.name}", value, _NOTE))
    return tuple(facts)


_NOTE = "gaps between reads that carried tokens, measured by the load; judged by no SLO"


def _phase(load: LoadSeconds, start_s: float, end_s: float) -> str:
    counts: dict[str, float] = {}
    longest_ms = 0.0
    for index, second in load.seconds.items():
        if not start_s <= load.start_s + index < end_s:
            continue
        longest_ms = max(longest_ms, second.token_gap_ms_max or 0.0)
        for by_bucket in second.token_gap.values():
            for bucket, n in by_bucket.items():
                counts[bucket] = counts.get(bucket, 0.0) + n
    if not counts:
        return NO_DATA
    shown = [f"p{share} {_edge(load, counts, share)}" for share in (95, 99)]
    return ", ".join((*shown, f"Longest stall {seconds(longest_ms / 1000)}"))


def _edge(load: LoadSeconds, counts: Mapping[str, float], share: int) -> str:
    """Upper edge of the 1 % bucket that holds percentile `share`."""
    wanted = sum(counts.values()) * share / 100
    reached = 0.0
    for edge_s, n in sorted((load.edge_s(bucket), n) for bucket, n in counts.items()):
        reached += n
        if reached >= wanted:
            return seconds(edge_s) if math.isfinite(edge_s) else "never"
    return NO_DATA
