"""The evidence as a View: what the report says, independent of its format.

Pure: the same evidence gives the same view, to the byte. Nothing here judges; figures are the
verdict's. An unknown value is named as unknown and never shown as zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from muster.judge.judged_by import contract_said, judged_by
from muster.reports import timeline as tl
from muster.reports.burn import burns
from muster.reports.client_p95 import recorded
from muster.reports.evidence import Evidence
from muster.reports.figures import budget_facts, impact, load_facts, timing_facts
from muster.reports.findings import finding_row, matrix, misses, phase_order, thresholds
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
from muster.reports.sentences import (
    finding_clause,
    guard_sentence,
    other_unknowns,
    stopped_name,
    summary,
    why,
)
from muster.reports.words import EVIDENCE_WHY, clean, one_line

_SECRET = re.compile(r"(^|_)(token|secret|password|passwd|credentials?|authorization|api_?key)$")
_CONFIG_ROWS_MAX = 400
_SHOWN_FIRST = (
    ("target", "Target"),
    ("target_class", "Target class"),
    ("profile", "Profile"),
    ("streams_target", "Streams"),
    ("scale", "Scale"),
    ("time_scale", "Time scale"),
    ("seed", "Seed"),
    ("gate", "Gate"),
    ("evacuated", "Region drilled"),
    ("ttl_s", "DNS TTL, s"),
    ("scrape_interval_s", "Scrape interval, s"),
    ("defect", "Planted defect"),
)


def build_view(evidence: Evidence) -> View:
    """The report of `evidence`, without its charts."""
    verdict, events = evidence.verdict, evidence.events
    started = evidence.first("drill_started")
    start_s, end_s = _span(evidence, started)
    findings = [f for f in verdict.get("findings") or () if isinstance(f, dict)]
    phases = tl.phases(events, start_s)
    names = [phase.name for phase in phases]
    order = phase_order((finding_row(f).phase for f in findings), names)
    rows = sorted(
        (finding_row(f, recorded(evidence.load, f)) for f in findings),
        key=lambda row: order.index(row.phase),
    )
    judged = judged_by(evidence.contract, findings, streams=_streams(started), order=names)
    matrix_phases, matrix_rows = matrix(findings, names)
    faults = _faults(evidence)
    undo = _undo(evidence)
    trips = _trips(evidence, start_s)
    limits = thresholds(findings)
    harm = hurt(evidence.load, phases, slow_limit(limits, phases))
    burned = burns(evidence.load, phases, _shares(findings), start_s or 0.0)
    evacuated = one_line(started.get("evacuated"), 80) or None
    name = one_line(verdict.get("verdict"), 40)
    length = seconds(end_s - start_s) if start_s is not None and end_s is not None else NO_DATA
    title = one_line(started.get("title") or started.get("drill"), 200) or "Untitled drill"
    return View(
        drill_id=one_line(verdict.get("drill_id") or started.get("drill_id"), 120) or evidence.name,
        drill=one_line(started.get("drill"), 120),
        title=title,
        kind=one_line(started.get("kind"), 40),
        banner=_banner(verdict, events, rows, faults, undo, started),
        summary=summary(
            title=title,
            verdict=name,
            kind=one_line(started.get("kind"), 40) or "drill",
            target=one_line(started.get("target"), 80) or NO_DATA,
            streams=count(started.get("streams_target")),
            evacuated=evacuated,
            length=length,
            started=utc(start_s),
            holds=sum(row.status == "pass" for row in rows),
            not_judged=sum(row.status == "not_judged" for row in rows),
            declared=sum(row.status == "declared" for row in rows),
            total=len(rows),
            trips=trips,
            undo=undo,
            judged=judged,
        ),
        judged=judged,
        impact=impact(harm, verdict),
        moments=moments(events, start_s),
        facts=(
            *_facts(started, verdict),
            *_judged(evidence, judged),
            *_machine(evidence.first("capacity")),
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
        timings=(*timing_facts(evidence, phases), *budget_facts(findings, burned)),
        load=(*load_facts(evidence, rows), *gap_facts(evidence.load, phases)),
        trips=trips,
        guard=guard_sentence(trips, bool(phases)),
        undo=undo,
        timeline=tl.timeline(events, start_s),
        versions=_versions(started, verdict),
        configuration=_configuration(evidence.config),
        marks=tl.marks(events, evacuated),
        thresholds=limits,
        hurt=harm,
        burns=burned,
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
    verdict: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    rows: Sequence[FindingRow],
    faults: Sequence[FaultRow],
    undo: UndoView,
    started: Mapping[str, Any],
) -> Banner:
    # An evidence class that is none of the three never counts as gate evidence.
    evidence = one_line(verdict.get("evidence"), 40) or "unknown"
    stop = next((event for event in events if event.get("event") == "stopped"), {})
    because = EVIDENCE_WHY.get(evidence, "The verdict does not state the evidence class.")
    if started.get("defect"):
        because += f" The defect {one_line(started['defect'], 80)} was planted on purpose."
    return Banner(
        verdict=one_line(verdict.get("verdict"), 40),
        why=clean(why(verdict, rows, faults, undo)),
        stopped_by=stopped_name(verdict, stop),
        evidence=evidence,
        gate_evidence=evidence == "gate",
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
    found.extend(finding_clause(row) for row in rows if row.status == "unknown")
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
        [Fact(one_line(k, 120), one_line(_value(v), 200)) for k, v in _flat(facts)]
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
        reverted=at("fault_reverted"),
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
            one_line(_value(p), 200) for p in _listed(told.get("pending", look.get("pending")))
        ),
        readback=tuple(
            ReadBackRow(
                one_line(r.get("subject"), 200),
                one_line(_value(r.get("expected")), 200),
                one_line(_value(r.get("actual")), 200),
                r.get("ok") is True,
            )
            for r in readback
            if isinstance(r, dict)
        ),
        commands=tuple(clean(c, 20_000) for c in commands if c),
    )


def _facts(started: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = []
    for key, label in _SHOWN_FIRST:
        value = started.get(key, verdict.get(key))
        if key == "streams_target":
            facts.append(Fact(label, count(value)))
        elif key == "defect" and not value:
            facts.append(Fact(label, "none" if key in started else NO_DATA))
        elif value is None:
            shown = "none" if key in started or key in verdict else NO_DATA
            facts.append(Fact(label, shown))
        else:
            facts.append(Fact(label, one_line(_value(value), 200)))
    return tuple(facts)


def _judged(evidence: Evidence, judged: str) -> tuple[Fact, ...]:
    """By what it was judged, and by whose contract: a tier alone is only a letter."""
    note = "" if evidence.contract_sha256 is None else f"sha256 {evidence.contract_sha256[:16]}"
    whose = one_line(contract_said(evidence.contract), 200)
    return (Fact("Judged by", one_line(judged, 600)), Fact("Contract", whose, note))


def _streams(started: Mapping[str, Any]) -> int | None:
    streams = number(started.get("streams_target"))
    return None if streams is None else int(streams)


def _machine(capacity: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The capacity of the machine that ran load and testbed; none if the ledger does not say."""
    if not capacity:
        return ()
    by = capacity.get("streams_by")
    limits = (
        [f"{one_line(k, 40)} {count(v)}" for k, v in by.items()] if isinstance(by, dict) else []
    )
    holds = count(capacity.get("holds_streams"))
    shape = capacity.get("shape")
    parts = shape.items() if isinstance(shape, dict) else ()
    named = [f"{one_line(k, 40).replace('_', ' ')} {count(v)}" for k, v in parts if k != "streams"]
    return (
        Fact("Streams this machine holds", holds, ", ".join(limits)),
        Fact("Testbed", ", ".join(named) or NO_DATA),
    )


def _versions(started: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[Fact, ...]:
    builds = verdict.get("platform_build", started.get("platform_build"))
    facts = [Fact("Platform build", one_line(_value(builds), 300) if builds else NO_DATA)]
    versions = started.get("versions")
    if isinstance(versions, dict):
        facts += [Fact(one_line(k, 80), one_line(_value(v), 200)) for k, v in _flat(versions)]
    return tuple(facts)


def _configuration(config: Mapping[str, Any]) -> tuple[Fact, ...]:
    rows = [Fact(one_line(key, 160), one_line(value, 300)) for key, value in _shown_config(config)]
    if len(rows) > _CONFIG_ROWS_MAX:
        more = len(rows) - _CONFIG_ROWS_MAX
        rows = [*rows[:_CONFIG_ROWS_MAX], Fact("…", f"{more} more in config.json")]
    return tuple(rows)


def _shown_config(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in _flat(config):
        hidden = value not in (None, "") and _SECRET.search(key.lower().rsplit(".", 1)[-1])
        yield key, "(hidden)" if hidden else _value(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted key, sorted; lists are leaves unless they hold mappings."""
    for key in sorted(value, key=str):
        here = f"{prefix}{key}"
        item = value[key]
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{here}.")
        elif isinstance(item, list) and any(isinstance(part, dict) for part in item):
            yield from _flat({f"{i}": part for i, part in enumerate(item)}, f"{here}.")
        else:
            yield here, item


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(part) for part in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_value(v)}" for k, v in value.items()) or "none"
    return str(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
