"""The verdict: a pure function of the evidence bundle.

In this order: ROLLBACK_FAILED, a stop that is the platform's (FAIL), a stop that is not (ABORTED),
anything unknown (INCONCLUSIVE), anything failed (FAIL), and only then PASS. What is not shown is
unknown. Evidence that ends too early, is torn, or was never begun can not pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from muster.contract import load as load_contract
from muster.contract.evaluate import (
    LATENCY_SLOS,
    SLOS,
    Judging,
    judge_phases,
    judge_whole,
    streams_finding,
)
from muster.contract.findings import Finding, from_json
from muster.contract.gate_rules import judge_gate_rules
from muster.contract.loss import JudgedLoss, judge_loss, loss_of
from muster.contract.model import Contract
from muster.contract.phases import Phase, absences_of, phases_of
from muster.contract.read_back import changed_by_another
from muster.contract.samples import Samples, read_samples
from muster.contract.windows import Window
from muster.errors import BadInput
from muster.ledger import LedgerRead, read_ledger
from muster.undo import read_undo
from muster.verdict_profile import loss_objective, profile_of, shown_signals, target_profiles

SCHEMA_VERSION = 1
EXIT_CODES = {
    "PASS": 0,
    "FAIL": 1,
    "INCONCLUSIVE": 3,
    "ABORTED": 4,
    "ROLLBACK_FAILED": 5,
}
WANTED_PHASES = {
    "failover": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "region_evacuation": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "region_loss": ("baseline", "loss", "failed_over", "comeback", "verify"),
    "gate": ("baseline",),
    "safety": ("safety_lock", "safety_freeze", "safety_undo", "safety_guard", "verify"),
}


@dataclass(frozen=True)
class Verdict:
    """What the evidence comes to. `document` is verdict.json."""

    verdict: str
    stopped_by: str | None
    findings: tuple[Finding, ...]
    document: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0 for PASS alone."""
        return EXIT_CODES[self.verdict]


def judge(bundle: Path, contract: Contract | None = None, *, ended: bool = True) -> Verdict:
    """Judge `bundle` by the contract that it carries, or by another one.

    `ended` False judges a drill that has not written its last line yet. Raises BadInput when the
    directory holds no ledger that can be read.
    """
    ledger = read_ledger(bundle / "ledger.jsonl")
    started: Mapping[str, Any] | None = next(iter(ledger.of("drill_started")), None)
    unknowns = _evidence_faults(ledger, started, ended)
    findings: list[Finding] = []
    lost: JudgedLoss | None = None
    chosen = contract
    if started is not None:
        chosen = contract or load_contract(bundle / "contract.yaml")
        try:
            samples = read_samples(bundle / "samples.jsonl")
            if samples.torn:
                unknowns.append("samples.jsonl: a line is torn or makes no sense")
        except BadInput as error:
            samples = Samples({})
            unknowns.append(str(error))
        started = _with_builds(started, samples)
        if started.get("profile") in target_profiles(bundle):
            # It has the contract's name and need not be the contract's: no gate is held under it.
            started = {**started, "gate_profile": False}
        try:
            findings, lost = _findings(bundle, ledger, started, chosen, samples)
        except (KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__} {error}"
            unknowns.append(f"ledger.jsonl: a line does not say what it must: {what}")
    pending = _pending(bundle)
    if pending is None:
        unknowns.append("undo.jsonl: cannot be read")
    if lost is not None and lost.stop_excuse:
        unknowns.append(lost.stop_excuse)
    findings.sort(key=_order)
    unknowns += [f.line() for f in findings if f.status == "unknown"]
    verdict, stopped_by = _decide(ledger, findings, unknowns, pending)
    if verdict == "FAIL" and stopped_by and lost is not None and lost.stop_excuse:
        # A limit that fired on what a starved rig did says nothing of the platform.
        verdict = "INCONCLUSIVE"
    document = _document(ledger, started, verdict, stopped_by, findings, unknowns, pending, chosen)
    document["loss"] = None if lost is None else lost.document
    return Verdict(verdict, stopped_by, tuple(findings), document)


def verdict_bytes(verdict: Verdict) -> bytes:
    """verdict.json: the same bytes for the same evidence."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    return orjson.dumps(verdict.document, option=options) + b"\n"


def write_verdict(bundle: Path, verdict: Verdict) -> None:
    """`verdict.json`, the same bytes for the same evidence."""
    temporary = bundle / "verdict.json.tmp"
    temporary.write_bytes(verdict_bytes(verdict))
    temporary.replace(bundle / "verdict.json")


def _evidence_faults(
    ledger: LedgerRead, started: Mapping[str, Any] | None, ended: bool
) -> list[str]:
    faults: list[str] = []
    if started is None:
        faults.append("ledger.jsonl: no drill_started: the control did not begin the drill")
    if ledger.torn:
        faults.append("ledger.jsonl: a line is torn, missing or out of order")
    if ended and not ledger.of("drill_ended"):
        faults.append("ledger.jsonl: no drill_ended: the drill did not come to its end")
    states = [event.get("state") for event in ledger.of("watchdog")]
    if states[:1] != ["started"] or states[-1] != ("alive_at_end" if ended else "alive"):
        faults.append("ledger.jsonl: the drill was not guarded by a live watchdog throughout")
    return faults


def _findings(
    bundle: Path,
    ledger: LedgerRead,
    started: Mapping[str, Any],
    contract: Contract,
    samples: Samples,
) -> tuple[list[Finding], JudgedLoss | None]:
    phases = phases_of(ledger.events)
    loss = loss_of(ledger.events, phases)
    scrape_s = float(started["scrape_interval_s"])
    gate = contract.gates[started["gate"]]
    judging = Judging(
        contract=contract,
        samples=samples,
        regions=tuple(started["regions"]),
        queue_age_s_max=float(gate.queue_age_s_max),
        stale_s=contract.measurement.gap_s_max(scrape_s),
        absences=absences_of(ledger.events, margin_s=10 * scrape_s),
        scrape_s=scrape_s,
        shown=shown_signals(bundle),
        excusable=frozenset(LATENCY_SLOS if loss is None else SLOS),
    )
    findings = [from_json(event["finding"]) for event in ledger.of("finding")]
    findings += _missing_phases(started, phases)
    for tier_name, group in _by_tier(phases):
        tier = contract.tiers[tier_name]  # type: ignore[index]
        findings += judge_phases(judging, group, tier)
        if len(group) > 1:
            findings += judge_whole(judging, group, tier)
    profile = profile_of(bundle, contract, started["profile"])
    for phase in phases:
        if phase.name == "baseline":
            target = int(started["streams_target"])
            findings.append(streams_finding(judging, phase, profile, target))
            window = Window(phase.start_s, phase.end_s, judging.stale_s, judging.absences)
            time_scale = float(started["time_scale"])
            findings += judge_gate_rules(samples, window, phase.name, contract, gate, time_scale)
    findings += _fault_proofs(ledger, started)
    if loss is None:
        return findings, None
    lost = judge_loss(judging, loss, loss_objective(bundle), ledger.events)
    return [*lost.excused(findings), *lost.findings], lost


def _with_builds(started: Mapping[str, Any], samples: Samples) -> Mapping[str, Any]:
    """The start's facts with every build that the platform showed until the end."""
    seen = {one.labels.get("version", "unknown") for one in samples.of("build_info")}
    return {**started, "platform_build": sorted({*started.get("platform_build", ()), *seen})}


def _by_tier(phases: Sequence[Phase]) -> list[tuple[str, list[Phase]]]:
    """Judged phases that follow each other under the same tier."""
    groups: list[tuple[str, list[Phase]]] = []
    previous: Phase | None = None
    for phase in phases:
        if phase.tier is not None:
            if previous is not None and previous.tier == phase.tier:
                groups[-1][1].append(phase)
            else:
                groups.append((phase.tier, [phase]))
        previous = phase
    return groups


def _missing_phases(started: Mapping[str, Any], phases: Sequence[Phase]) -> list[Finding]:
    """A drill that left out one of its phases has not shown what it is for."""
    named = str(started["drill" if started["kind"] == "experiment" else "kind"])
    wanted = WANTED_PHASES.get(named, ("baseline", "verify"))
    complete = {phase.name for phase in phases if phase.complete}
    return [
        Finding(
            slo="phase_complete",
            tier=None,
            phase=name,
            region=None,
            source="ledger",
            window=None,
            threshold=None,
            measured=None,
            margin=None,
            unit="",
            samples=None,
            status="unknown",
            reason="this phase was not completed",
        )
        for name in wanted
        if name not in complete
    ]


def _fault_proofs(ledger: LedgerRead, started: Mapping[str, Any]) -> list[Finding]:
    """Every declared fault must have been seen to bite, each time that it was looked at."""
    proofs = ledger.of("fault_proof")
    declared = {(str(e["fault"]), str(e["region"])) for e in ledger.of("fault_declared")}
    declared |= {(str(e["fault"]), str(e["region"])) for e in proofs}
    if not declared and started["kind"] in ("failover", "experiment"):
        declared = {("any fault", str(started.get("evacuated")))}
    findings: list[Finding] = []
    for fault, region in sorted(declared):
        looks = [p for p in proofs if (p.get("fault"), p.get("region")) == (fault, region)]
        proven = bool(looks) and all(look.get("proven") is True for look in looks)
        why = "; ".join(dict.fromkeys(str(look.get("why", "")) for look in looks))
        findings.append(
            Finding(
                slo="fault_proof",
                tier=None,
                phase=None,
                region=region,
                source=fault,
                window=None,
                threshold=None,
                measured=None,
                margin=None,
                unit="",
                samples=len(looks),
                status="pass" if proven else "unknown",
                reason=why or "nobody saw it bite",
            )
        )
    return findings


def _pending(bundle: Path) -> list[str] | None:
    """Subjects that the undo log does not show as restored; None when it can't be read."""
    try:
        return [entry.subject for entry in read_undo(bundle / "undo.jsonl").pending]
    except BadInput:
        return None


def _decide(
    ledger: LedgerRead,
    findings: Sequence[Finding],
    unknowns: Sequence[str],
    pending: list[str] | None,
) -> tuple[str, str | None]:
    stop = next(iter(ledger.of("stopped")), None)
    stopped_by = None if stop is None else str(stop.get("by"))
    verify = ledger.of("verify")
    back = bool(verify) and verify[-1].get("verified") is True
    if pending or (ledger.of("undo") and not back):
        return "ROLLBACK_FAILED", stopped_by
    if stop is None and changed_by_another(verify):
        return "ABORTED", "steering:changed_by_another"
    if stop is not None:
        wanted = str(stop.get("verdict"))
        return (wanted if wanted in EXIT_CODES and wanted != "PASS" else "ABORTED"), stopped_by
    if (fired := _fired(ledger)) is not None:
        return "FAIL", fired
    if unknowns or pending is None or not back:
        return "INCONCLUSIVE", None
    if any(finding.status == "fail" for finding in findings):
        return "FAIL", None
    if any(finding.status != "pass" for finding in findings) or not findings:
        return "INCONCLUSIVE", None
    return "PASS", None


def _fired(ledger: LedgerRead) -> str | None:
    """A trigger or limit that the ledger holds, for a drill that was cut off before its stop."""
    for event in ledger.events:
        kind = event.get("event")
        if kind in ("trigger", "limit"):
            return f"{kind}:{event.get(kind)}"
    return None


def _evidence(started: Mapping[str, Any], contract: Contract | None) -> str | None:
    """What the run can be evidence of: never more than it claims, nor than its own facts allow."""
    claimed = started.get("evidence")
    if started.get("target_class") == "testbed" or started.get("defect") is not None:
        return "testbed"
    gate = contract.gates.get(started["gate"]) if contract and started.get("gate") else None
    whole = started.get("scale") == 1 and started.get("time_scale") == 1
    whole = whole and started.get("gate_profile") is not False
    if claimed == "gate" and not (whole and gate and gate.profile == started.get("profile")):
        return "rehearsal"
    return None if claimed is None else str(claimed)


def _order(finding: Finding) -> tuple[int, str, str, str]:
    """What is wrong first, then by where it was judged."""
    rank = {"fail": 0, "unknown": 1, "pass": 2}[finding.status]
    return rank, finding.phase or "", finding.slo, finding.source + (finding.region or "")


def _document(
    ledger: LedgerRead,
    started: Mapping[str, Any] | None,
    verdict: str,
    stopped_by: str | None,
    findings: Sequence[Finding],
    unknowns: Sequence[str],
    pending: list[str] | None,
    contract: Contract | None,
) -> dict[str, Any]:
    begun: Mapping[str, Any] = started or {}
    verify = ledger.of("verify")
    achieved = next((f.measured for f in findings if f.slo == "streams_achieved"), None)
    lags = [
        f.measured
        for f in findings
        if f.slo == "load_loop_lag" and f.source == "load" and f.measured is not None
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "drill_id": begun.get("drill_id"),
        "drill": begun.get("drill"),
        "verdict": verdict,
        "stopped_by": stopped_by,
        "evidence": _evidence(begun, contract),
        "gate": begun.get("gate"),
        "tier": begun.get("tier"),
        "drill_tier": begun.get("drill_tier"),
        "profile": begun.get("profile"),
        "scale": begun.get("scale"),
        "time_scale": begun.get("time_scale"),
        "target": begun.get("target"),
        "defect": begun.get("defect"),
        "platform_build": begun.get("platform_build"),
        "findings": [finding.as_json() for finding in findings],
        "unknowns": list(unknowns),
        "load": {
            "target_streams": begun.get("streams_target"),
            "achieved_streams": achieved,
            "loop_lag_ms_p99": max(lags, default=None),
        },
        "faults": [
            {key: event.get(key) for key in ("fault", "region", "proven", "why", "proof")}
            for event in ledger.of("fault_proof")
        ],
        "triggers": [dict(event) for event in ledger.of("trigger")],
        "limits": [dict(event) for event in ledger.of("limit")],
        "timings_s": {str(e["name"]): e["value_s"] for e in ledger.of("timing")},
        "undo": {
            "pending": pending,
            "verified": bool(verify) and verify[-1].get("verified") is True,
            "commands": list(verify[-1].get("commands", ())) if verify else [],
            "changed_by_another": changed_by_another(verify),
        },
        "started_at": _utc(begun.get("t")),
        "ended_at": _utc(ledger.events[-1].get("t") if ledger.events else None),
    }


def _utc(t_s: Any) -> str | None:
    if not isinstance(t_s, (int, float)):
        return None
    return datetime.fromtimestamp(t_s, UTC).isoformat(timespec="milliseconds")
