"""Findings for signals that the target declares as missing: `declared`, never `pass`.

A declaration counts only if the bundle's target and the start of the ledger agree, and no sample of
the signal exists. A signal that is declared and has samples can still fail, but cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from muster.judge.findings import Finding, unmeasured
from muster.judge.phases import Phase
from muster.samples.counting import Status
from muster.samples.series import Samples
from muster.targets.declared import DECLARABLE, QUIET, unguarded

DECLARED: Status = "declared"
RECOVERY, DRAIN = "recovery", "drain"


def said(reason: str) -> str:
    """The reason of a finding that needs a signal declared none."""
    return f'declared none: "{reason}"'


def agreed_on(target: Mapping[str, str], started: Mapping[str, Any]) -> dict[str, str]:
    """The declarations that are the same in the target and at the start of the ledger."""
    told = _told(started)
    return {name: reason for name, reason in target.items() if told.get(name) == reason}


def contradictions(
    target: Mapping[str, str], started: Mapping[str, Any], samples: Samples
) -> list[Finding]:
    """An unknown finding for each signal on which target, ledger and samples disagree."""
    told = _told(started)
    found = [
        unmeasured(
            "declared_none",
            "ledger",
            "unknown",
            f"{name}: target.yaml has {_word(target, name)}, the drill started with "
            f"{_word(told, name)}",
        )
        for name in sorted({*target, *told})
        if target.get(name) != told.get(name)
    ]
    found += [
        unmeasured(
            "declared_none",
            "server",
            "unknown",
            f"{name} is declared none, but the samples contain it",
        )
        for name in sorted(target)
        if samples.of(name)
    ]
    return found


def declared_findings(
    declared: Mapping[str, str], phases: Sequence[Phase], evacuated: str | None
) -> list[Finding]:
    """Findings that need a declared signal: triggers, limits, quiet after a fault, streams cut."""
    found = list(_unguarded(declared))
    names = {phase.name for phase in phases}
    if RECOVERY in names:
        found += [
            _declared("recovery_quiet", name, declared[name], phase=RECOVERY)
            for name in QUIET
            if name in declared
        ]
    if DRAIN in names and "streams_broken" in declared:
        reason = declared["streams_broken"]
        cut = _declared("streams_cut", "streams_broken", reason, phase=DRAIN)
        found.append(replace(cut, region=evacuated))
    return found


def as_declared(finding: Finding, reason: str) -> Finding:
    """`finding` without a measured value, with status `declared` and `reason`."""
    return replace(
        finding,
        measured=None,
        margin=None,
        bracket=None,
        samples=None,
        status=DECLARED,
        reason=said(reason),
    )


def document(declared: Mapping[str, str]) -> list[dict[str, Any]]:
    """For verdict.json: each declared signal, its reason, and the rules that are not guarded."""
    return [
        {"signal": name, "reason": reason, "unguarded": list(DECLARABLE[name].unguarded)}
        for name, reason in sorted(declared.items())
    ]


def _unguarded(declared: Mapping[str, str]) -> Iterator[Finding]:
    for name, rules in unguarded(declared).items():
        for rule in rules:
            kind, _, trigger = rule.partition(":")
            one = _declared(f"{kind}_{trigger}", name, declared[name])
            yield replace(one, source="guard")


def _declared(slo: str, signal: str, reason: str, phase: str | None = None) -> Finding:
    return unmeasured(slo, "server", DECLARED, f"{signal}: {said(reason)}", phase=phase)


def _told(started: Mapping[str, Any]) -> dict[str, str]:
    told = started.get("declared")
    return dict(told) if isinstance(told, dict) else {}


def _word(declared: Mapping[str, str], name: str) -> str:
    return said(declared[name]) if name in declared else "no declaration"
