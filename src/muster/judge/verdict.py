"""The verdict: a pure function of the evidence bundle.

In this order: ROLLBACK_FAILED, a stop caused by the platform (FAIL), any other stop (ABORTED),
anything unknown (INCONCLUSIVE), anything failed (FAIL), and only then PASS. What the evidence does
not show is unknown. Evidence that ends too early, is torn, or has no start cannot pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from muster.contract import load as load_contract
from muster.contract.model import Contract
from muster.errors import BadInput
from muster.judge.declared import document as declared_document
from muster.judge.document import document_of, spent_of, with_builds
from muster.judge.evaluate import SLOS
from muster.judge.every_finding import Judged, findings_of
from muster.judge.findings import UNJUDGED, Finding, unjudged
from muster.judge.guarded import guard_faults
from muster.judge.judged_by import judged_by
from muster.judge.ledger_lines import shaped
from muster.judge.own_target import target_profiles
from muster.judge.phases import phases_of
from muster.judge.read_back import changed_by_another
from muster.ledger import BROKEN_CHAIN, LedgerRead, read_ledger
from muster.samples.series import Samples, read_samples
from muster.undo import read_undo

EXIT_CODES = {
    "PASS": 0,
    "FAIL": 1,
    "INCONCLUSIVE": 3,
    "ABORTED": 4,
    "ROLLBACK_FAILED": 5,
}


@dataclass(frozen=True)
class Verdict:
    """The result of judging. `document` is verdict.json."""

    verdict: str
    stopped_by: str | None
    findings: tuple[Finding, ...]
    document: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0 for PASS only."""
        return EXIT_CODES[self.verdict]


def judge(bundle: Path, contract: Contract | None = None, *, ended: bool = True) -> Verdict:
    """Judge `bundle` by the contract that it carries, or by another one.

    `ended` False judges a drill that has not written its last line yet. Raises BadInput if the
    directory holds no readable ledger.
    """
    ledger, unreadable = shaped(read_ledger(bundle / "ledger.jsonl"))
    started: Mapping[str, Any] | None = next(iter(ledger.of("drill_started")), None)
    unknowns = [*_evidence_faults(ledger, started, ended), *unreadable]
    judged = Judged()
    chosen = contract
    if started is not None:
        chosen = contract or load_contract(bundle / "contract.yaml")
        try:
            samples = read_samples(bundle / "samples.jsonl")
            if samples.torn:
                unknowns.append("samples.jsonl: a line is torn or invalid")
        except BadInput as error:
            samples = Samples({})
            unknowns.append(str(error))
        started = with_builds(started, samples)
        if started.get("profile") in target_profiles(bundle):
            # It has the contract's name but may not be the contract's profile: no gate accepts it.
            started = {**started, "gate_load": False}
        try:
            judged = findings_of(bundle, ledger, started, chosen, samples)
        except (KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__} {error}"
            unknowns.append(f"ledger.jsonl: a line lacks a valid field: {what}")
        if judged.widened:
            # The streams of a trace were judged with a tolerance that no gate accepts.
            started = {**started, "gate_load": False}
    pending = _pending(bundle)
    if pending is None:
        unknowns.append("undo.jsonl: cannot be read")
    if judged.stop_excuse:
        unknowns.append(judged.stop_excuse)
    findings = sorted(judged.findings, key=_order)
    unknowns += [f.line() for f in findings if f.status == "unknown"]
    unknowns += unjudged(findings, SLOS)
    verdict, stopped_by = _decide(ledger, findings, unknowns, pending)
    if verdict == "FAIL" and stopped_by and judged.stop_excuse:
        # A limit that fired because of the rig says nothing about the platform.
        verdict = "INCONCLUSIVE"
    document = document_of(
        ledger, started, verdict, stopped_by, findings, unknowns, pending, chosen
    )
    document["contract"] = None if chosen is None else chosen.source.model_dump(mode="json")
    document["judged_by"] = judged_by(
        chosen,
        document["findings"],
        streams=document["load"]["target_streams"],
        order=[phase.name for phase in phases_of(ledger.events)],
    )
    document["declared"] = declared_document(judged.declared)
    document["loss"] = None if judged.lost is None else judged.lost.document
    if judged.outage is not None:
        document["outage"] = dict(judged.outage)
    document["load"]["outcomes"] = dict(judged.outcomes)
    if (spent := spent_of(ledger)) is not None:
        document["load"]["spent"] = spent
    return Verdict(verdict, stopped_by, tuple(findings), document)


def verdict_bytes(verdict: Verdict) -> bytes:
    """Write verdict.json; the same evidence gives the same bytes."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    return orjson.dumps(verdict.document, option=options) + b"\n"


def write_verdict(bundle: Path, verdict: Verdict) -> None:
    """`verdict.json` as bytes; the same evidence gives the same bytes."""
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
    if ledger.broken:
        faults.append(f"ledger.jsonl: line {ledger.broken_at}: {BROKEN_CHAIN}")
    if ended and not ledger.of("drill_ended"):
        faults.append("ledger.jsonl: no drill_ended: the drill did not come to its end")
    return faults + guard_faults(ledger.events, ended=ended)


def _pending(bundle: Path) -> list[str] | None:
    """Subjects that the undo log does not show as restored; None if it cannot be read."""
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
    # What the drill started for itself is no change; left behind, it is pending.
    changed = any(not entry.get("rig") for entry in ledger.of("undo"))
    if pending or (changed and not back):
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
    if any(finding.status not in ("pass", *UNJUDGED) for finding in findings):
        return "INCONCLUSIVE", None
    # A finding that is not judged, or declared none, neither prevents a PASS nor supports one.
    passed = any(finding.status == "pass" for finding in findings)
    return ("PASS" if passed else "INCONCLUSIVE"), None


def _fired(ledger: LedgerRead) -> str | None:
    """A trigger or limit in the ledger, for a drill that was cut off before its stop."""
    for event in ledger.events:
        kind = event.get("event")
        if kind in ("trigger", "limit"):
            return f"{kind}:{event.get(kind)}"
    return None


def _order(finding: Finding) -> tuple[int, str, str, str]:
    """Sort by severity, then by where it was judged."""
    rank = {"fail": 0, "unknown": 1, "declared": 2, "pass": 3, "not_judged": 4}[finding.status]
    return rank, finding.phase or "", finding.slo, finding.source + (finding.region or "")
