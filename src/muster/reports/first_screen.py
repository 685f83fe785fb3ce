"""What a reader sees first: verdict, one sentence of cause, the figures that matter. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.reports.evidence import Evidence
from muster.reports.findings import misses, worst_by_slo
from muster.reports.harm import Burn, Hurt
from muster.reports.model import (
    Fact,
    FaultRow,
    FindingRow,
    Moment,
    PhaseRow,
    Tile,
    TripRow,
    UndoView,
)
from muster.reports.moments import decided
from muster.reports.numbers import NO_DATA, count, number, offset, quantity, seconds, utc
from muster.reports.sentences import finding_clause, other_unknowns, stopper
from muster.reports.words import TIMING_TITLES, one_line, plural

_TIMES = ("shift", "drain", "dark", "restore", "detect", "lost", "away", "back", "trip_to_restored")
_TIMES_MAX = 5


def cause(
    verdict: Mapping[str, Any],
    rows: Sequence[FindingRow],
    faults: Sequence[FaultRow],
    undo: UndoView,
    trips: Sequence[TripRow],
) -> str:
    """The verdict's basis in one sentence: the worst reason, and how many more there are."""
    own = one_line(verdict.get("why"), 300)
    if own:
        return own
    name = verdict.get("verdict")
    if name == "ROLLBACK_FAILED":
        left = [
            f"{r.subject} is {r.actual}, expected {r.expected}" for r in undo.readback if not r.ok
        ]
        return f"Not back: {_first(left or list(undo.pending), 'what the drill changed')}."
    stop = _stop(verdict)
    if stop and name != "PASS":
        fired = [t for t in trips if not t.expected and t.name in stop]
        where = f" in {fired[0].region}" if fired and fired[0].region != "all regions" else ""
        detail = _detail(verdict) or (one_line(fired[0].detail, 200) if fired else "")
        return f"Stopped: {stopper(stop)}{where}" + (f" ({detail})." if detail else ".")
    if name == "PASS":
        judged = sum(row.status == "pass" for row in rows)
        proof = ", every fault took effect" if faults else ""
        back = ", and everything is back" if undo.verified else ""
        held = f"All {judged} findings that were judged hold"
        return f"{held if judged > 1 else 'What was judged holds'}{proof}{back}."
    if name == "FAIL":
        failed = [finding_clause(row) for row, _ in worst_by_slo(misses(rows))]
        missed = sum(row.status == "fail" for row in rows)
        more = f"; {missed} of {plural(len(rows), 'finding')} were missed" if missed > 1 else ""
        return f"{failed[0]}{more}." if failed else "The verdict names no finding."
    reasons = [
        f"the effect of {f.fault} in {f.region} is not verified" for f in faults if not f.proven
    ]
    reasons += other_unknowns(verdict)
    reasons += [finding_clause(row) for row in rows if row.status == "unknown"]
    return (
        f"Nothing can be concluded: {_first(list(dict.fromkeys(reasons)), 'no reason is named')}."
    )


def stop_line(evidence: Evidence, phases: Sequence[PhaseRow], start_s: float | None) -> str:
    """Who stopped the drill, in which phase, and when; empty if nothing did."""
    when, stop = decided(evidence.events)
    by = _stop(evidence.verdict) or (one_line(stop.get("by"), 120) if stop else "")
    if not by:
        return ""
    phase = _phase_at(phases, when)
    said = [by]
    if phase:
        said.append(f"in {phase}")
    if when is not None:
        said.append(f"at {utc(when, date=False)} UTC, {offset(when, start_s)}")
    return " ".join(said)


def tiles(
    evidence: Evidence,
    rows: Sequence[FindingRow],
    phases: Sequence[PhaseRow],
    undo: UndoView,
    harm: Hurt | None,
    burned: Sequence[Burn],
    timings: Sequence[Fact],
    told: Sequence[Moment],
) -> tuple[Tile, ...]:
    """The strip of figures under the verdict."""
    return (
        _back(evidence, undo),
        _reached(evidence, phases),
        _worst(rows),
        _hurt(harm, burned),
        _times(timings, told),
    )


def _back(evidence: Evidence, undo: UndoView) -> Tile:
    looks = [e for e in evidence.of("verify") if e.get("verified") is True]
    at = utc(number(looks[-1].get("t")), date=False) if looks else ""
    if undo.verified and evidence.verdict.get("verdict") != "ROLLBACK_FAILED":
        told = evidence.verdict.get("timings_s")
        after = told.get("trip_to_restored_s") if isinstance(told, dict) else None
        note = "read from the real systems"
        if number(after) is not None:
            note = f"traffic {seconds(after)} after the trip"
        return Tile("Everything back", f"✓ {at}".strip(), note, "pass", "#undo")
    if undo.verified is not None:
        left = sum(not r.ok for r in undo.readback) or len(undo.pending)
        note = f"{plural(left, 'change')} left" if left else "by the verdict"
        return Tile("Everything back", "✗ NOT BACK", note, "fail", "#undo")
    return Tile("Everything back", "? not read back", "nobody looked", "unknown", "#undo")


def _reached(evidence: Evidence, phases: Sequence[PhaseRow]) -> Tile:
    planned = evidence.first("drill_started").get("phases")
    names = [one_line(name, 80) for name in planned] if isinstance(planned, list) else []
    last = phases[-1] if phases else None
    if last is None:
        return Tile("Phase reached", NO_DATA, "", "", "#phases")
    if last.name in names:
        note = f"{names.index(last.name) + 1} of {len(names)}"
        note += f": {last.outcome}" if last.outcome not in ("ok", "complete") else ""
    else:
        note = f"before the first of {len(names)}" if names else last.outcome
    return Tile("Phase reached", last.name, note, "", "#phases")


def _worst(rows: Sequence[FindingRow]) -> Tile:
    # What is unknown counts too: a drill that was cut short in an outage has not held its limits.
    known = [
        row
        for row in rows
        if row.margin_relative is not None and row.status in ("pass", "fail", "unknown")
    ]
    real = [row for row in known if row.is_service_level] or known
    if not real:
        return Tile("Worst margin", NO_DATA, "no finding has a margin", "", "#slos")
    row = min(real, key=lambda one: one.margin_relative or 0.0)
    note = f"{row.title} {row.measured}, limit {row.threshold}, {row.phase}"
    note += ", not decided" if row.status == "unknown" else ""
    return Tile("Worst margin", row.margin, note, row.status, "#slos")


def _hurt(harm: Hurt | None, burned: Sequence[Burn]) -> Tile:
    if harm is None:
        return Tile("Users hurt", NO_DATA, "the load has no record of it", "", "#impact")
    slow = "" if harm.slow is None else f", {count(harm.slow)} slow"
    note = (
        f"{count(harm.rejected)} rejected, {count(harm.failed)} failed, {count(harm.broken)} broken"
        f"{slow} of {count(harm.attempts)} attempts"
    )
    over = any(one.slo == "success_2xx" and one.share > 1 for one in burned)
    return Tile(
        "Users hurt", quantity(harm.share, "share"), note, "fail" if over else "", "#impact"
    )


def _times(timings: Sequence[Fact], told: Sequence[Moment]) -> Tile:
    by_label = {fact.label: fact.value for fact in timings}
    parts = [
        (_short(TIMING_TITLES[name][0]), by_label[TIMING_TITLES[name][0]])
        for name in _TIMES
        if TIMING_TITLES[name][0] in by_label
    ]
    parts = [(label, value) for label, value in parts if value != NO_DATA] or parts
    at = {moment.label: moment.t_s for moment in told}
    if not parts and "Trip" in at and "Changes back" in at:
        parts = [("trip to changes back", seconds(at["Changes back"] - at["Trip"]))]
    if not parts:
        return Tile("Times", NO_DATA, "no change was timed", "", "#timings")
    return Tile("Times", "", "", "", "#timings", tuple(parts[-_TIMES_MAX:]))


def _short(title: str) -> str:
    return title.removeprefix("Time to ").lower()


def _stop(verdict: Mapping[str, Any]) -> str:
    by = verdict.get("stopped_by")
    return one_line(by.get("by") if isinstance(by, dict) else by, 120)


def _detail(verdict: Mapping[str, Any]) -> str:
    by = verdict.get("stopped_by")
    told = by.get("detail") if isinstance(by, dict) else verdict.get("stopped_detail")
    return one_line(told, 200)


def _phase_at(phases: Sequence[PhaseRow], when: float | None) -> str:
    if when is None:
        return ""
    begun = [p.name for p in phases if p.start_s is not None and p.start_s <= when]
    return begun[-1] if begun else ""


def _first(reasons: list[str], otherwise: str) -> str:
    if not reasons:
        return otherwise
    more = f", and {plural(len(reasons) - 1, 'more reason')}" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"
