"""Bundles of past drills, small and sealed: a ledger's first line, a verdict, a load's record."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muster.bundle import seal

DAY_S = 86_400.0
FIRST_S = datetime(2026, 3, 3, 10, tzinfo=UTC).timestamp()
SUCCESSES = 10_000


def past_bundle(
    out_dir: Path,
    day: float = 0,
    *,
    name: str = "",
    verdict: str = "PASS",
    hurt: int = 0,
    first_token_s: float = 0.6,
    sealed: bool = True,
    findings: list[dict[str, Any]] | None = None,
    timings: dict[str, float] | None = None,
    **asked: Any,
) -> Path:
    """A drill on that day after the first. `asked` overrides what the ledger says was asked for."""
    start_s = FIRST_S + day * DAY_S
    at = datetime.fromtimestamp(start_s, UTC)
    bundle = out_dir / (name or f"{at:%Y%m%dT%H%M%SZ}-region_failover-{day:04g}")
    bundle.mkdir(parents=True)
    started = {
        "seq": 1,
        "t": start_s,
        "event": "drill_started",
        "drill_id": bundle.name,
        "drill": "region_failover",
        "target": "staging",
        "profile": "m3_20k",
        "scale": 1.0,
        "time_scale": 1.0,
        "streams_target": 20_000,
        "defect": None,
        **asked,
    }
    (bundle / "ledger.jsonl").write_text(json.dumps(started) + "\n")
    window = [start_s, start_s + 10]
    document = {
        "schema_version": 1,
        "verdict": verdict,
        "stopped_by": None if verdict == "PASS" else "trigger:5xx",
        "evidence": "rehearsal",
        "findings": [
            finding("first_token_p95", None, 2.5, "s", window, bracket=[0.6, 0.7]),
            *(findings or []),
        ],
        "load": {"outcomes": {"success": SUCCESSES - hurt, "http_429": hurt}},
        "timings_s": {"shift_s": 14.0, "drain_s": 12.0, "restore_s": 27.0, **(timings or {})},
        "started_at": at.isoformat(),
        "ended_at": datetime.fromtimestamp(start_s + 600, UTC).isoformat(),
    }
    (bundle / "verdict.json").write_text(json.dumps(document))
    bucket = str(math.ceil(math.log(1000 * first_token_s, 1.01)))
    lines = [{"schema": 1, "bucket_ratio": 1.01, "bucket_min_ms": 1}]
    lines += [
        {"t": start_s + k, "first_token_ms": {"west": {bucket: 900, "700": 100 if k == 0 else 0}}}
        for k in range(11)
    ]
    (bundle / "load-0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if sealed:
        seal(bundle)
    return bundle


def finding(
    slo: str,
    measured: float | None,
    threshold: float,
    unit: str,
    window: list[float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A finding of the whole change, as a verdict's document has it."""
    return {
        "slo": slo,
        "phase": "evacuate..restore",
        "region": None,
        "source": "client",
        "threshold": threshold,
        "measured": measured,
        "bracket": None,
        "unit": unit,
        "window": window,
        "status": "pass",
        **more,
    }
