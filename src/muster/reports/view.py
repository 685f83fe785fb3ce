"""The evidence as a View: what the report says, independent of its format.

Pure: the same evidence gives the same view, to the byte. Nothing here judges; figures are the
verdict's. An unknown value is named as unknown and never shown as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.judge.judged_by import judged_by
from muster.reports import timeline as tl
from muster.reports.appendix import (
    configuration_facts,
    drill_facts,
    flat,
    judged_facts,
    machine_facts,
    value_text,
    version_facts,
)
from muster.reports.burn import burns
from muster.reports.client_p95 import recorded
from muster.reports.distribution import latency_rows
from muster.reports.evidence import Evidence
from muster.reports.figures import budget_facts, impact, load_facts, timing_facts
from muster.reports.findings import finding_row, matrix, misses, phase_order, thresholds
from muster.reports.first_screen import cause, stop_line, tiles
from muster.reports.gaps import gap_facts
from muster.reports.hurt import changed_phases, hurt
from muster.reports.model import (
    Banner,
    Fact,
    FaultRow,
    FindingRow,
    PhaseRow,
    ReadBackRow,
    TripRow,
    UndoView,
    View,
)
from muster.reports.moments import moments
from muster.reports.numbers import NO_DATA, count, epoch, number, seconds, utc
from muster.reports.reasons import capacity_rows, raw_answers, rejected_rows
from muster.reports.references import References
from muster.reports.sentences import (
    finding_clause,
    guard_sentence,
    other_unknowns,
    stopped_name,
    summary,
    why,
)
from muster.reports.words import EVIDENCE_WHY, clean, one_line


def build_view(evidence: Evidence) -> View:
    """The report of `evidence`, without its charts."""
    verdict, events = evidence.verdict, evidence.events
    started = evidence.first("drill_started")
    start_s, end_s = _span(evidence, started)
    findings = [f for f in verdict.get("findings") or () if isinstance(f, dict)]
    phases = tl.phases(events, start_s)
    names = [phase.name for phase in phases]
    rows = _rows(evidence, findings, names)
    judged = judged_by(evidence.contract, findings, streams=_streams(started), order=names)
    matrix_phases, matrix_rows = matrix(findings, names)
    faults = _faults(evidence)
    undo = _undo(evidence)
    trips = _trips(evidence, start_s)
    limits = thresholds(findings)
    told = moments(events, start_s)
    harm = hurt(evidence.load, phases, slow_limit(limits, phases))
    burned = burns(evidence.load, phases, _shares(findings), start_s or 0.0)
    timings = timing_facts(evidence, phases)
    evacuated = one_line(started.get("evacuated"), 80) or None
    length = seconds(end_s - start_s) if start_s is not None and end_s is not None else NO_DATA
    title = one_line(started.get("title") or started.get("drill"), 200) or "Untitled drill"
    return View(
        drill_id=one_line(verdict.get("drill_id") or started.get("drill_id"), 120) or evidence.name,
        drill=one_line(started.get("drill"), 120),
        title=title,
        kind=one_line(started.get("kind"), 40),
        banner=_banner(evidence, rows, faults, undo, trips, phases),
        tiles=tiles(evidence, rows, phases, undo, harm, burned, timings, told),
        summary=_summary(evidence, title, length, rows, trips, undo, judged),
        judged=judged,
        impact=impact(harm, verdict),
        moments=told,
        facts=(
            *drill_facts(started, verdict),
            *judged_facts(evidence, judged),
            *machine_facts(evidence.first("capacity")),
        ),
        against=evidence.against,
        started=utc(start_s),
        ended=utc(end_s),
        length=length,
        start_s=start_s,
        end_s=end_s,
        evacuated=evacuated,
        regions=tuple(one_line(r, 80) for r in started.get("regions") or ()),
        unknowns=_unknowns(evidence, rows, faults, phases),
        failures=tuple(misses(rows)),
        phases=phases,
        matrix_phases=matrix_phases,
        matrix=matrix_rows,
        findings=tuple(rows),
        faults=faults,
        timings=(*timings, *budget_facts(findings, burned)),
        latencies=latency_rows(evidence.load, phases),
        capacity=capacity_rows(evidence, phases, end_s),
        rejected=rejected_rows(evidence, phases),
        raw_answers=raw_answers(evidence),
        load=(*load_facts(evidence, rows), *gap_facts(evidence.load, phases)),
        trips=trips,
        guard=guard_sentence(trips, bool(phases)),
        undo=undo,
        timeline=tl.timeline(events, start_s),
        versions=version_facts(started, verdict),
        configuration=configuration_facts(evidence.config),
        marks=tl.marks(events, told, evacuated),
        thresholds=limits,
        hurt=harm,
        burns=burned,
    )


def _summary(
    evidence: Evidence,
    title: str,
    length: str,
    rows: Sequence[FindingRow],
    trips: Sequence[TripRow],
    undo: UndoView,
    judged: str,
) -> tuple[str, ...]:
    started = evidence.first("drill_started")
    return summary(
        title=title,
        verdict=one_line(evidence.verdict.get("verdict"), 40),
        kind=one_line(started.get("kind"), 40) or "drill",
        target=one_line(started.get("target"), 80) or NO_DATA,
        streams=count(started.get("streams_target")),
        evacuated=one_line(started.get("evacuated"), 80) or None,
        length=length,
        started=utc(_span(evidence, started)[0]),
        holds=sum(row.status == "pass" for row in rows),
        not_judged=sum(row.status == "not_judged" for row in rows),
        declared=sum(row.status == "declared" for row in rows),
        total=len(rows),
        trips=trips,
        undo=undo,
        judged=judged,
    )


def _rows(
    evidence: Evidence, findings: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[FindingRow]:
    """The findings in the order of their phases, each with where its figure was read."""
    order = phase_order((finding_row(f).phase for f in findings), names)
    refer = References(evidence, evidence.lines)
    return sorted(
        (finding_row(f, recorded(evidence.load, f), refer.of(f)) for f in findings),
        key=lambda row: order.index(row.phase),
    )


def slow_limit(
    limits: Mapping[str, Mapping[str, float]], phases: Sequence[PhaseRow]
) -> float | None:
    """The first token's limit in the phases that change something, in seconds."""
    by_tier = limits.get("first_token_p95", {})
    tiers = [phase.tier for phase in changed_phases(phases) if phase.tier]
    return next((by_tier[tier] for tier in tiers if tier in by_tier), None)


def _shares(findings: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Limits that are shares of 1, whatever their unit: SLO -> tier -> share."""
    whole = {str(f.get("slo")): 100.0 if f.get("unit") == "%" else 1.0 for f in findings}
    return {
        slo: {tier: value / whole[slo] for tier, value in by_tier.items()}
        for slo, by_tier in thresholds(findings).items()
    }


def _span(evidence: Evidence, started: Mapping[str, Any]) -> tuple[float | None, float | None]:
    verdict = evidence.verdict
    times = [t for event in evidence.events if (t := number(event.get("t"))) is not None]
    start = number(started.get("t"))
    start = epoch(verdict.get("started_at")) if start is None else start
    end = number(evidence.first("drill_ended").get("t"))
    end = epoch(verdict.get("ended_at")) if end is None else end
    if start is None and times:
        start = min(times)
    if end is None and times:
        end = max(times)
    if start is not None and end is not None and end < start:
        end = None
    return start, end


def _banner(
    evidence: Evidence,
    rows: Sequence[FindingRow],
    faults: Sequence[FaultRow],
    undo: UndoView,
    trips: Sequence[TripRow],
    phases: Sequence[PhaseRow],
) -> Banner:
    verdict, started = evidence.verdict, evidence.first("drill_started")
    # An evidence class that is none of the three never counts as gate evidence.
    grade = one_line(verdict.get("evidence"), 40) or "unknown"
    because = EVIDENCE_WHY.get(grade, "The verdict does not state the evidence class.")
    if started.get("defect"):
        because += f" The defect {one_line(started['defect'], 80)} was planted on purpose."
    return Banner(
        verdict=one_line(verdict.get("verdict"), 40),
        why=clean(why(verdict, rows, faults, undo)),
        cause=clean(cause(verdict, rows, faults, undo, trips)),
        stop_line=stop_line(evidence, phases, _span(evidence, started)[0]),
        stopped_by=stopped_name(verdict, evidence.first("stopped")),
        evidence=grade,
        gate_evidence=grade == "gate",
        evidence_why=because,
        unsealed=tuple(one_line(why_not, 300) for why_not in _listed(verdict.get("unsealed"))),
    )


def _unknowns(
    evidence: Evidence,
    rows: Sequence[FindingRow],
    faults: Sequence[FaultRow],
    phases: Sequence[PhaseRow],
) -> tuple[str, ...]:
    """Everything that is unknown, for the top of the report."""
    found = other_unknowns(evidence.verdict)
    begun = {p.name for p in phases}
    unknown = [row for row in rows if row.status == "unknown"]
    never = [r.phase for r in unknown if r.phase in _planned(evidence) and r.phase not in begun]
    if never:
        found.append(f"never begun, so not judged: {', '.join(dict.fromkeys(never))}")
    found.extend(finding_clause(row) for row in unknown if row.phase not in never)
    found.extend(
        f"fault {f.fault} in {f.region}: "
        + ("effect not verified" if f.proven is False else "never observed")
        for f in faults
        if not f.proven
    )
    found.extend(f"phase {p.name} has no recorded end" for p in phases if p.end_s is None)
    if not rows:
        found.append("the verdict holds no finding")
    if evidence.events and not evidence.of("drill_ended"):
        found.append("the ledger has no end of the drill")
    found.extend(one_line(line, 300) for line in evidence.missing)
    return tuple(dict.fromkeys(found))


def _planned(evidence: Evidence) -> list[str]:
    told = evidence.first("drill_started").get("phases")
    return [one_line(name, 80) for name in told] if isinstance(told, list) else []


def _faults(evidence: Evidence) -> tuple[FaultRow, ...]:
    told = evidence.verdict.get("faults")
    listed = [f for f in told if isinstance(f, dict)] if isinstance(told, list) else []
    every: list[Mapping[str, Any]] = [*listed] or [*evidence.of("fault_proof")]
    # Each fault once: its last proof, but one look without effect is enough to say so.
    by_fault: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for proof in every:
        key = (proof.get("fault"), proof.get("region"))
        earlier = by_fault.get(key)
        if earlier is None or earlier.get("proven") is True:
            by_fault[key] = proof
    proofs = list(by_fault.values())
    seen = {(p.get("fault"), p.get("region")) for p in proofs}
    proofs += [
        e for e in evidence.of("fault_applied") if (e.get("fault"), e.get("region")) not in seen
    ]
    return tuple(_fault(evidence, proof) for proof in proofs)


def _reverted(evidence: Evidence, at: str) -> str:
    """When the fault's own step reverted it, or that the rollback did, if all was read back."""
    checks = evidence.of("verify")
    if at == NO_DATA and checks and checks[-1].get("verified") is True:
        return "by the rollback (see Undo)"
    return at


def _fault(evidence: Evidence, proof: Mapping[str, Any]) -> FaultRow:
    def at(event: str) -> str:
        same = [
            e
            for e in evidence.of(event)
            if (e.get("fault"), e.get("region")) == (proof.get("fault"), proof.get("region"))
        ]
        return utc(number(same[0].get("t")), date=False) if same else NO_DATA

    proven = proof.get("proven")
    facts = proof.get("proof")
    shown = (
        [Fact(one_line(k, 120), one_line(value_text(v), 200)) for k, v in flat(facts)]
        if isinstance(facts, dict)
        else []
    )
    return FaultRow(
        fault=one_line(proof.get("fault") or proof.get("name"), 80),
        region=one_line(proof.get("region"), 80) or "all regions",
        proven=proven if isinstance(proven, bool) else None,
        why=one_line(proof.get("why"), 400),
        proof=tuple(shown),
        applied=at("fault_applied"),
        reverted=_reverted(evidence, at("fault_reverted")),
    )


def _trips(evidence: Evidence, start_s: float | None) -> tuple[TripRow, ...]:
    from_ledger = tl.trips(evidence.events, start_s)
    told = evidence.verdict.get("triggers")
    if from_ledger or not isinstance(told, list):
        return from_ledger
    return tl.trips([{"event": "trigger", **t} for t in told if isinstance(t, dict)], start_s)


def _undo(evidence: Evidence) -> UndoView:
    told = evidence.verdict.get("undo")
    told = told if isinstance(told, dict) else {}
    looks = evidence.of("verify")
    look: Mapping[str, Any] = looks[-1] if looks else {}
    verified = told.get("verified", look.get("verified"))
    readback = look.get("readback") or told.get("readback") or ()
    commands = look.get("commands") or told.get("commands") or ()
    return UndoView(
        verified=verified if isinstance(verified, bool) else None,
        pending=tuple(
            one_line(value_text(p), 200) for p in _listed(told.get("pending", look.get("pending")))
        ),
        readback=tuple(
            ReadBackRow(
                one_line(r.get("subject"), 200),
                one_line(value_text(r.get("expected")), 200),
                one_line(value_text(r.get("actual")), 200),
                r.get("ok") is True,
            )
            for r in readback
            if isinstance(r, dict)
        ),
        commands=tuple(clean(c, 20_000) for c in commands if c),
    )


def _streams(started: Mapping[str, Any]) -> int | None:
    streams = number(started.get("streams_target"))
    return None if streams is None else int(streams)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
