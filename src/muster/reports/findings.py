"""Findings as rows and as a table of SLOs by phase. Pure.

If one SLO has several findings in a phase (client and server, regions), the worst decides what the
summary table shows: fail, then unknown, then declared none, then pass, and among equals the
smallest margin. A finding that is not judged appears only if there is no other. If a value is known
only as a bracket, value and margin are shown as ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from muster.reports.history.headroom import headroom
from muster.reports.model import FindingRow, MatrixCell, MatrixRow, Reference
from muster.reports.numbers import NO_DATA, count, limit, number, quantity, span, utc
from muster.reports.words import AT_LEAST, SLO_TITLES, one_line, slo_title

STATUSES = ("fail", "unknown", "declared", "pass", "not_judged")
MATRIX_SLOS = (
    "availability",
    "success_2xx",
    "rate_5xx",
    "rate_429",
    "first_token_p95",
    "completion_p95",
    "queue_age",
    "streams_held",
)


def finding_row(
    finding: Mapping[str, Any], beside: str = "", references: tuple[Reference, ...] = ()
) -> FindingRow:
    """One finding of a verdict as the report shows it. Any other status is unknown.

    `beside` is additional information about it, `references` say where it was read.
    """
    slo = one_line(finding.get("slo"), 80)
    unit = one_line(finding.get("unit"), 40) or None
    status = _status(slo, finding)
    return FindingRow(
        phase=one_line(finding.get("phase"), 80) or "whole drill",
        slo=slo,
        title=slo_title(slo),
        tier=one_line(finding.get("tier"), 20),
        region=one_line(finding.get("region"), 80) or "all",
        source=one_line(finding.get("source"), 40),
        measured="none" if status == "declared" else _measured(finding, unit),
        threshold=_threshold(slo, finding, unit),
        margin="none" if status == "declared" else _margin(slo, finding, unit),
        samples=count(finding.get("samples")),
        bracket=_bracket(finding, unit),
        status=status,
        detail=_detail(finding, beside),
        margin_relative=_relative(slo, finding),
        references=references,
        is_service_level=slo in MATRIX_SLOS,
    )


def _status(slo: str, finding: Mapping[str, Any]) -> str:
    """The status. A service level that passed without any measurement was not judged."""
    status = finding.get("status")
    if status not in STATUSES:
        return "unknown"
    empty = finding.get("measured") is None and finding.get("bracket") is None
    return "not_judged" if status == "pass" and slo in MATRIX_SLOS and empty else str(status)


def phase_order(names: Iterable[str], ledger_order: Sequence[str]) -> list[str]:
    """Phases in the order of the ledger, then those over several phases, then the rest."""
    known = {name: index for index, name in enumerate(ledger_order)}
    found = list(dict.fromkeys(names))

    def place(name: str) -> tuple[int, int]:
        if name in known:
            return (0, known[name])
        return (1 if ".." in name else 2, found.index(name))

    return sorted(found, key=place)


def matrix(
    findings: Sequence[Mapping[str, Any]], ledger_order: Sequence[str]
) -> tuple[tuple[str, ...], tuple[MatrixRow, ...]]:
    """SLOs by phase: the phases of the columns, and a row for each SLO judged in any phase."""
    judged = [(finding_row(f), f) for f in findings if f.get("slo") in MATRIX_SLOS]
    phases = phase_order((row.phase for row, _ in judged), ledger_order)
    rows = []
    for slo in MATRIX_SLOS:
        cells = tuple(
            _cell([(r, f) for r, f in judged if r.slo == slo and r.phase == phase])
            for phase in phases
        )
        if any(cells):
            rows.append(MatrixRow(slo, SLO_TITLES[slo], cells))
    return tuple(phases), tuple(rows)


def thresholds(findings: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Limits by which the findings were judged, in the SLO's own unit: SLO -> tier -> value."""
    found: dict[str, dict[str, float]] = {}
    for finding in findings:
        value = number(finding.get("threshold"))
        if value is not None and isinstance(finding.get("slo"), str):
            tier = one_line(finding.get("tier"), 20)
            found.setdefault(finding["slo"], {})[tier] = value
    return found


def misses(rows: Iterable[FindingRow]) -> list[FindingRow]:
    """The failed findings, one for each SLO, phase and region: the worse side, with both named."""
    merged: dict[tuple[str, str, str], FindingRow] = {}
    for row in rows:
        if row.status != "fail":
            continue
        key = (row.slo, row.phase, row.region)
        other = merged.get(key)
        if other is None:
            merged[key] = row
            continue
        worse = min(other, row, key=_gravity)
        sides = dict.fromkeys([*other.source.split(" and "), row.source])
        merged[key] = replace(worse, source=" and ".join(side for side in sides if side))
    return list(merged.values())


def worst_by_slo(rows: Iterable[FindingRow]) -> list[tuple[FindingRow, int]]:
    """The worst row of each SLO, with how many of `rows` it represents; the worst SLO first."""
    groups: dict[str, list[FindingRow]] = {}
    for row in rows:
        groups.setdefault(row.slo, []).append(row)
    worst = [(min(group, key=_gravity), len(group)) for group in groups.values()]
    return sorted(worst, key=lambda item: _gravity(item[0]))


def _gravity(row: FindingRow) -> float:
    return row.margin_relative if row.margin_relative is not None else 0.0


def _relative(slo: str, finding: Mapping[str, Any]) -> float | None:
    """The share that is left of what the limit allows; the margin itself for a limit of 0."""
    left = headroom(finding)
    if left is not None or number(finding.get("threshold")):
        return left
    return _least_margin(slo, finding)


def _least_margin(slo: str, finding: Mapping[str, Any]) -> float | None:
    """The margin, or for a bracket the smallest possible one; None: unknown."""
    edges = _edges(finding)
    threshold = number(finding.get("threshold"))
    if edges is None or threshold is None:
        return number(finding.get("margin"))
    low, high = edges
    if slo in AT_LEAST:
        return low - threshold
    return None if high is None else threshold - high


def _margin(slo: str, finding: Mapping[str, Any], unit: str | None) -> str:
    """The margin; for a bracket from the smallest possible one to the largest."""
    edges, threshold = _edges(finding), number(finding.get("threshold"))
    if edges is None or threshold is None:
        return quantity(finding.get("margin"), unit, signed=True, apart_from=0)
    low, high = edges
    sign = -1 if slo in AT_LEAST else 1
    ends = [sign * (threshold - edge) for edge in (low, high) if edge is not None]
    shown = [quantity(end, unit, signed=True) for end in sorted(ends)]
    if high is None:
        return f"under {shown[0]}" if sign > 0 else f"over {shown[0]}"
    return f"{shown[0]} to under {shown[1]}" if sign > 0 else f"over {shown[0]} to {shown[1]}"


def _edges(finding: Mapping[str, Any]) -> tuple[float, float | None] | None:
    """The bracket of a value that is known only by it; an upper edge of None: over the top edge."""
    bracket = finding.get("bracket")
    if not isinstance(bracket, list | tuple) or len(bracket) != 2:
        return None
    low, high = number(bracket[0]), number(bracket[1])
    if bracket[1] is not None and high is None:
        return None
    # An older verdict gives the upper edge as the measured value.
    if finding.get("measured") is not None and number(finding.get("measured")) != high:
        return None
    return (0.0 if low is None else low), high


def _cell(candidates: Sequence[tuple[FindingRow, Mapping[str, Any]]]) -> MatrixCell | None:
    if not candidates:
        return None

    def gravity(item: tuple[FindingRow, Mapping[str, Any]]) -> tuple[int, float]:
        margin = _least_margin(item[0].slo, item[1])
        return STATUSES.index(item[0].status), margin if margin is not None else float("inf")

    row, _ = min(candidates, key=gravity)
    return MatrixCell(row.status, row.measured, row.threshold, row.source)


def _measured(finding: Mapping[str, Any], unit: str | None) -> str:
    edges = _edges(finding)
    if edges is not None:
        low, high = edges
        return f"over {limit(low, unit)}" if high is None else span(low, high, unit)
    return _shown(finding.get("measured"), unit, finding.get("threshold"))


def _shown(measured: Any, unit: str | None, threshold: Any) -> str:
    if isinstance(measured, dict):
        parts = [f"{one_line(k, 60)} {quantity(v, unit)}" for k, v in sorted(measured.items())]
        return ", ".join(parts) or NO_DATA
    if isinstance(measured, bool):
        return "yes" if measured else "no"
    if isinstance(measured, str) and number(measured) is None:
        return one_line(measured, 120) or NO_DATA
    return quantity(measured, unit, apart_from=threshold)


def _threshold(slo: str, finding: Mapping[str, Any], unit: str | None) -> str:
    threshold = finding.get("threshold")
    if isinstance(threshold, dict):
        return ", ".join(
            f"{one_line(k, 60)} {limit(v, unit)}" for k, v in sorted(threshold.items())
        )
    if isinstance(threshold, bool):
        return "yes" if threshold else "no"
    if number(threshold) is None:
        return one_line(threshold, 80) or "–"
    sign = "≥" if slo in AT_LEAST else "≤"
    return f"{sign} {limit(threshold, unit)}"


def _bracket(finding: Mapping[str, Any], unit: str | None) -> str:
    bracket = finding.get("bracket")
    if not isinstance(bracket, list | tuple) or len(bracket) != 2:
        return ""
    low, high = bracket
    shown = one_line(finding.get("bracket_unit"), 20) or ("s" if unit in (None, "s") else unit)
    upper = "over the top edge" if number(high) is None else limit(high, shown)
    return f"{limit(low if low is not None else 0, shown)} to {upper}"


def _detail(finding: Mapping[str, Any], beside: str) -> str:
    parts = [one_line(finding.get(key), 300) for key in ("why", "detail", "reason", "note")]
    parts.append(beside)
    window = finding.get("window")
    if isinstance(window, list | tuple) and len(window) == 2:
        ends = [number(end) for end in window]
        if None not in ends:
            parts.append(f"window {utc(ends[0], date=False)} to {utc(ends[1], date=False)} UTC")
    return "; ".join(dict.fromkeys(part for part in parts if part))
