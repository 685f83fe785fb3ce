"""verdict.json as a value: the verdict, its evidence, and the evidence class of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from muster.contract.model import Contract
from muster.judge.findings import Finding
from muster.judge.read_back import changed_by_another
from muster.ledger import LedgerRead
from muster.samples.series import Samples

SCHEMA_VERSION = 1


def with_builds(started: Mapping[str, Any], samples: Samples) -> Mapping[str, Any]:
    """The facts at the start, with every build that the platform reported until the end."""
    seen = {one.labels.get("version", "unknown") for one in samples.of("build_info")}
    return {**started, "platform_build": sorted({*(started.get("platform_build") or ()), *seen})}


def document_of(
    ledger: LedgerRead,
    started: Mapping[str, Any] | None,
    verdict: str,
    stopped_by: str | None,
    findings: Sequence[Finding],
    unknowns: Sequence[str],
    pending: list[str] | None,
    contract: Contract | None,
) -> dict[str, Any]:
    """Return the verdict's document; a value that the evidence does not show is null."""
    begun: Mapping[str, Any] = started or {}
    verify = ledger.of("verify")
    achieved = next((f.measured for f in findings if f.slo == "streams_achieved"), None)
    lags = [f for f in findings if f.slo == "load_loop_lag" and f.source == "load" and f.bracket]
    return {
        "schema_version": SCHEMA_VERSION,
        "drill_id": begun.get("drill_id"),
        "drill": begun.get("drill"),
        "kind": begun.get("kind"),
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
            "loop_lag_ms_p99": _highest(lags),
        },
        "faults": [
            {key: event.get(key) for key in ("fault", "region", "proven", "why", "proof")}
            for event in ledger.of("fault_proof")
        ],
        "triggers": [dict(event) for event in ledger.of("trigger")],
        "limits": [dict(event) for event in ledger.of("limit")],
        "timings_s": {str(e["name"]): e.get("value_s") for e in ledger.of("timing")},
        "undo": {
            "pending": pending,
            "verified": bool(verify) and verify[-1].get("verified") is True,
            "commands": list(verify[-1].get("commands") or ()) if verify else [],
            "changed_by_another": changed_by_another(verify),
        },
        "started_at": _utc(begun.get("t")),
        "ended_at": _utc(ledger.events[-1].get("t") if ledger.events else None),
    }


def spent_of(ledger: LedgerRead) -> dict[str, Any] | None:
    """What the load cost, as the drill counted it; None if the ledger does not say."""
    lines = ledger.of("load_spent")
    keys = ("requests", "tokens_in", "tokens_out", "guessed", "money", "currency")
    return {key: lines[-1].get(key) for key in keys} if lines else None


def _utc(t_s: Any) -> str | None:
    if not isinstance(t_s, (int, float)):
        return None
    return datetime.fromtimestamp(t_s, UTC).isoformat(timespec="milliseconds")


def _highest(findings: Sequence[Finding]) -> float | None:
    """The largest upper edge of the brackets; None if one lies over the top edge."""
    edges = [one.bracket[1] for one in findings if one.bracket]
    known = [edge for edge in edges if edge is not None]
    return max(known, default=None) if len(known) == len(edges) else None


def _evidence(started: Mapping[str, Any], contract: Contract | None) -> str | None:
    """The evidence class: at most what the run claims, and at most what its own facts allow."""
    claimed = started.get("evidence")
    if started.get("target_class") == "testbed" or started.get("defect") is not None:
        return "testbed"
    gate = contract.gates.get(started["gate"]) if contract and started.get("gate") else None
    whole = started.get("scale") == 1 and started.get("time_scale") == 1
    whole = whole and started.get("gate_load") is not False
    if claimed == "gate" and not (whole and gate and gate.profile == started.get("profile")):
        return "rehearsal"
    return None if claimed is None else str(claimed)
