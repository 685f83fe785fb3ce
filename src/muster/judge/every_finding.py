"""Collects every finding of a bundle: those that the drill recorded, and those from its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from muster.contract import Contract
from muster.judge.around import around_faults, fault_around
from muster.judge.dark_weights import dark_weights
from muster.judge.declared import agreed_on, contradictions, declared_findings
from muster.judge.evaluate import Judging, judge_phases, judge_whole, streams_finding
from muster.judge.findings import Finding, from_json, unmeasured
from muster.judge.gate_rules import judge_gate_rules
from muster.judge.held import BASELINE, judge_held, needs_widening
from muster.judge.loss import JudgedLoss, judge_loss, loss_of
from muster.judge.outage import judge_outage
from muster.judge.outcomes import outcomes_of
from muster.judge.own_kind import FAULT_PHASES, kind_faults
from muster.judge.own_target import (
    asked_of,
    declared_signals,
    lengths_of,
    loss_objective,
    regions_of,
    scrape_interval_s,
    shown_signals,
    target_section,
)
from muster.judge.phases import Phase, absences_of, phases_of
from muster.judge.promoted import promotions
from muster.judge.required import missing_phases, unjudged_phases, unseen_moves
from muster.judge.rig_fault import RigFaults, excused, stop_fault
from muster.judge.times import judge_caught_up, judge_times
from muster.ledger import LedgerRead
from muster.samples.series import Samples
from muster.samples.windows import Window


@dataclass(frozen=True)
class Judged:
    """Everything that follows from the samples and the ledger.

    `stop_excuse`: why the stop by a trigger or limit proves nothing about the platform; empty if it
    stands or nothing stopped the drill. `lost`: the abrupt loss of a region, if the ledger declares
    one. `outcomes`: attempts of the judged phases, by outcome. `widened`: the open streams of a
    replayed trace were judged with a wider tolerance than the contract's. `declared`: signals that
    the target declares none, with the reasons. `outage`: what an outage of DNS did, if any.
    """

    findings: tuple[Finding, ...] = ()
    lost: JudgedLoss | None = None
    stop_excuse: str = ""
    outcomes: Mapping[str, int | None] = field(default_factory=dict)
    widened: bool = False
    declared: Mapping[str, str] = field(default_factory=dict)
    outage: Mapping[str, Any] | None = None


def findings_of(
    bundle: Path,
    ledger: LedgerRead,
    started: Mapping[str, Any],
    contract: Contract,
    samples: Samples,
) -> Judged:
    """Judge `samples` by `contract`, phase by phase of `ledger`.

    Raises KeyError, TypeError or ValueError if a line of the ledger lacks a required field, and
    BadInput if the target's file does.
    """
    phases = phases_of(ledger.events)
    loss = loss_of(ledger.events, phases)
    scrape_s = scrape_interval_s(bundle, started)
    gate = contract.gates[started["gate"]]
    time_scale = float(started["time_scale"])
    lengths = lengths_of(bundle, ledger.events)
    own_word = declared_signals(bundle)
    declared = agreed_on(own_word, started)
    judging = Judging(
        contract=contract,
        samples=samples,
        regions=tuple(started["regions"]),
        queue_age_s_max=float(gate.queue_age_s_max),
        stale_s=contract.measurement.gap_s_max(scrape_s),
        absences=absences_of(ledger.events, margin_s=10 * scrape_s),
        scrape_s=scrape_s,
        shown=shown_signals(bundle) | lengths.signals,
        lengths=lengths,
        declared=declared,
    )
    findings = [from_json(event["finding"]) for event in ledger.of("finding")]
    findings += unseen_moves(phases, findings)
    findings += missing_phases(started, phases, chained=ledger.chained)
    findings += unjudged_phases(phases)
    findings += kind_faults(started, phases, ledger.events)
    findings += around_faults(started, phases, ledger.events)
    findings += dark_weights(samples, phases, started.get("evacuated"), judging.stale_s)
    findings += contradictions(own_word, started, samples)
    findings += declared_findings(declared, phases, started.get("evacuated"))
    for tier_name, group in _by_tier(phases):
        tier = contract.tiers[tier_name]  # type: ignore[index]
        findings += judge_phases(judging, group, tier)
        if len(group) > 1:
            findings += judge_whole(judging, group, tier)
    asked = asked_of(bundle, contract, started)
    findings += judge_held(judging, phases, asked)
    for phase in phases:
        if phase.name == BASELINE:
            findings.append(streams_finding(judging, phase, asked.profile, asked.streams_target))
            window = Window(phase.start_s, phase.end_s, judging.stale_s, judging.absences)
            findings += judge_gate_rules(
                samples, window, phase.name, contract, gate, time_scale, declared
            )
    findings += _fault_proofs(ledger, started, phases)
    outage_rto, outage = judge_outage(
        judging, phases, ledger.events, target_section(bundle, "dns_outage")
    )
    findings += outage_rto
    findings += promotions(ledger.events, regions_of(bundle))
    findings += judge_times(ledger.events, phases, target_section(bundle, "region_evacuation"))
    findings += judge_caught_up(ledger.events, phases, target_section(bundle, "dns_stale"))
    faults = RigFaults(samples, contract.load_validity, judging.stale_s, judging.absences)
    findings = excused(faults, phases, findings)
    excuse = stop_fault(
        faults,
        phases,
        ledger.events,
        window_s=float(contract.triggers.window_s) / time_scale,
        lost_s=None if loss is None else loss.start_s,
    )
    outcomes = outcomes_of(samples, ledger.events, judging.stale_s)
    widened = needs_widening(judging, phases, asked)
    if loss is None:
        return Judged(tuple(findings), None, excuse, outcomes, widened, declared, outage)
    lost = judge_loss(judging, loss, loss_objective(bundle, loss.fault), ledger.events)
    together = (*lost.excused(findings), *lost.findings)
    return Judged(together, lost, excuse or lost.stop_excuse, outcomes, widened, declared, outage)


def _by_tier(phases: Sequence[Phase]) -> list[tuple[str, list[Phase]]]:
    """Consecutive judged phases with the same tier."""
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


def _fault_proofs(
    ledger: LedgerRead, started: Mapping[str, Any], phases: Sequence[Phase]
) -> list[Finding]:
    """Judge that the effect of every declared fault was verified at every look, and to the end of
    its hold: the looks' summary (`held_s`) must be there, since a look at the start shows nothing
    of what comes after.
    """
    proofs = ledger.of("fault_proof")
    declared = {_subject(event) for event in (*ledger.of("fault_declared"), *proofs)}
    faulty = any(phase.name in FAULT_PHASES or fault_around(phase.name) for phase in phases)
    if not declared and (faulty or started["kind"] in ("failover", "experiment")):
        declared = {_subject({"fault": "any fault", "region": started.get("evacuated")})}
    findings: list[Finding] = []
    for fault, region in sorted(declared, key=lambda one: (one[0], one[1] or "")):
        looks = [proof for proof in proofs if _subject(proof) == (fault, region)]
        proven = bool(looks) and all(look.get("proven") is True for look in looks)
        why = "; ".join(dict.fromkeys(str(look.get("why", "")) for look in looks))
        # The safety net's drill applies its fault and reverts it at once: there is no hold.
        at_once = started["kind"] == "safety" and not faulty
        if proven and not at_once and not any(map(_covers_hold, looks)):
            proven, why = False, f"{why}; no look is on record for its hold".removeprefix("; ")
        findings.append(
            unmeasured(
                "fault_proof",
                fault,
                "pass" if proven else "unknown",
                why or "its effect was never verified",
                region=region,
                samples=len(looks),
            )
        )
    return findings


def _covers_hold(look: Mapping[str, Any]) -> bool:
    """Whether this is the summary of a hold's looks, with at least one that saw the effect."""
    facts = look.get("proof")
    return isinstance(facts, Mapping) and all(
        isinstance(facts.get(key), int | float) and facts[key] > 0
        for key in ("held_s", "looks_proven")
    )


def _subject(event: Mapping[str, Any]) -> tuple[str, str | None]:
    """Which fault an event is about, and in which region; None: one that has no region."""
    region = event["region"]
    return str(event["fault"]), None if region is None else str(region)
