"""Time between the tokens of a stream, by phase: recorded and shown, not judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from muster.reports.loadfile import LoadSeconds
from muster.reports.model import Fact, PhaseRow
from muster.reports.numbers import NO_DATA, seconds


def gap_facts(load: LoadSeconds | None, phases: Sequence[PhaseRow]) -> tuple[Fact, ...]:
    """One line for each judged phase: p95, p99 and the longest stall; none for a record without
    them.
    """
    if load is None or not load.tallies.has("token_gap"):
        return ()
    facts = []
    for phase in phases:
        if phase.tier and phase.start_s is not None and phase.end_s is not None:
            value = _phase(load, phase.start_s, phase.end_s)
            facts.append(Fact(f"Between tokens, {phase.name}", value, _NOTE))
    return tuple(facts)


_NOTE = "gaps between reads that carried tokens, measured by the load; judged by no SLO"


def _phase(load: LoadSeconds, start_s: float, end_s: float) -> str:
    first, last = load.indexes(math.ceil(start_s - load.start_s) + load.start_s, end_s)
    counts = load.tallies.counts("token_gap", first, last)
    stalls = [
        second.token_gap_ms_max or 0.0
        for index, second in load.seconds.items()
        if first <= index < last
    ]
    shown = []
    for percent in (95, 99):
        edge_s = load.quantile(counts, percent / 100)
        if edge_s is None:
            return NO_DATA
        shown.append(f"p{percent} {seconds(edge_s) if math.isfinite(edge_s) else 'never'}")
    longest = f"Longest stall {seconds(max(stalls, default=0.0) / 1000)}"
    return ", ".join((*shown, longest))
