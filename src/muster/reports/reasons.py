"""Why it went so: capacity before and after, rejected attempts by region and cause, raw answers.

Figures of the load's record and of the platform's own series, for display: the verdict decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muster.reports.evidence import Evidence
from muster.reports.hurt import changed_span
from muster.reports.model import CapacityRow, PhaseRow, RejectedRow
from muster.reports.numbers import count, quantity, utc
from muster.reports.server import Server
from muster.reports.words import one_line

_SAMPLE_S_MAX = 30.0
"""A limit that was scraped longer ago than this says nothing about the moment."""


def capacity_rows(
    evidence: Evidence, phases: Sequence[PhaseRow], end_s: float | None
) -> tuple[CapacityRow, ...]:
    """Streams that each region would take before the first change, lowest since, and at the end."""
    span, server = changed_span(phases), evidence.server
    if server is None or span is None or end_s is None:
        return ()
    rows = []
    for region in server.values("streams_limit", "region"):
        before = _limit(server, region, span[0])
        least = server.least("streams_limit", region, span[0], end_s)
        rows.append(
            CapacityRow(
                one_line(region, 80),
                count(before),
                count(least),
                count(_limit(server, region, end_s)),
            )
        )
    return tuple(rows)


def rejected_rows(evidence: Evidence, phases: Sequence[PhaseRow]) -> tuple[RejectedRow, ...]:
    """Attempts answered 429 by region, and what the platform's own counters say of the cause."""
    load, span = evidence.load, changed_span(phases)
    if load is None or span is None:
        return ()
    rows = []
    for region in load.regions:
        every = rejected = 0.0
        for index, second in load.seconds.items():
            if span[0] - 1 < load.start_s + index < span[1]:
                counts = second.answers.get(region, {})
                every += sum(counts.values())
                rejected += counts.get("429", 0.0)
        if rejected:
            causes = (
                evidence.server.grown("admission_failures", region, *span)
                if evidence.server
                else {}
            )
            said = ", ".join(f"{one_line(k, 60)} {count(n)}" for k, n in causes.items() if n)
            rows.append(
                RejectedRow(
                    one_line(region, 80),
                    count(rejected),
                    quantity(rejected / every, "share"),
                    said or "the platform names no cause",
                )
            )
    return tuple(rows)


def raw_answers(evidence: Evidence) -> tuple[tuple[str, str, str, str], ...]:
    """The first refusals that the load kept: (UTC, status, region, body)."""
    return tuple(
        (
            utc(r.t_s, date=False),
            str(r.status),
            one_line(r.region, 80),
            one_line(r.said, 600) or "(no body)",
        )
        for r in evidence.refusals
    )


def _limit(server: Server, region: str, at_s: float) -> float | None:
    value = server.sum_at("streams_limit", region, np.asarray([at_s]), _SAMPLE_S_MAX)[0]
    return None if np.isnan(value) else float(value)
