"""Reads from a bundle what a comparison needs of it: the drill, its findings, its latencies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muster.reports.client_p95 import recorded_counts
from muster.reports.evidence import read_verdict
from muster.reports.history.compare import LATENCIES, Side, statuses_of
from muster.reports.history.past import Past
from muster.reports.loadfile import read_load
from muster.reports.numbers import number
from muster.reports.words import OVERALL


def side_of(bundle: Path, past: Past) -> Side:
    """The bundle as one side of a comparison. Raises BadInput if it has no verdict."""
    verdict = read_verdict(bundle)
    findings = verdict.get("findings")
    load, _ = read_load(sorted(bundle.glob("load-[0-9]*.jsonl")))
    latencies: dict[str, Mapping[float, float]] = {}
    for latency in LATENCIES:
        window = _judged(findings, latency.slo)
        counts = recorded_counts(load, latency.kind, *window) if load and window else None
        if counts:
            latencies[latency.kind] = counts
    return Side(past, latencies, statuses_of(findings))


def _judged(findings: Any, slo: str) -> tuple[float, float] | None:
    """The stretch in which the client's latency was judged: the whole change if it was, else from
    the first judged phase to the end of the last."""
    found = [
        (str(one.get("phase")), number(window[0]), number(window[1]))
        for one in (findings if isinstance(findings, list) else [])
        if isinstance(one, dict) and one.get("slo") == slo and one.get("source") == "client"
        for window in [one.get("window")]
        if isinstance(window, list) and len(window) == 2
    ]
    chosen = [one for one in found if one[0] == OVERALL] or found
    starts = [start for _, start, _ in chosen if start is not None]
    ends = [end for _, _, end in chosen if end is not None]
    return (min(starts), max(ends)) if starts and ends else None
