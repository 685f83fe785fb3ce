"""Small synthetic evidence bundles for the reports' tests: one failover drill, told by its files.

Deterministic: every figure comes from arithmetic on the second's index and a seeded generator.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

START_S = 1_795_000_000.25
EAST, WEST = "eu-central-1", "eu-west-1"
PHASES = (
    ("preflight", None, 4),
    ("ramp", None, 20),
    ("baseline", "X", 60),
    ("evacuate", "G", 36),
    ("drain", "G", 14),
    ("dark", "G", 110),
    ("restore", "G", 40),
    ("verify", None, 6),
)
EDGES_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 15.0, 18.0, 20.0, 30.0)
STREAMS = 2000


@dataclass
class Story:
    """What the bundle tells. `hurt`: extra first-token seconds in the survivor after the shift."""

    verdict: str = "PASS"
    evidence: str = "testbed"
    hurt_s: float = 0.0
    shed_share: float = 0.0
    stopped: dict[str, Any] | None = None
    trigger: dict[str, Any] | None = None
    unknown: bool = False
    rollback_failed: bool = False
    fault_proven: bool = True
    gap: tuple[int, int] | None = None
    title: str = "Region failover under load"
    regions: tuple[str, str] = (WEST, EAST)
    details: dict[str, str] = field(default_factory=dict)
    stretch: int = 1
    scale_streams: int = STREAMS


def spans(story: Story) -> list[tuple[str, str | None, int, int]]:
    """Phases with their first and last second."""
    found, at = [], 0
    for name, tier, length in PHASES:
        found.append((name, tier, at, at + length * story.stretch))
        at += length * story.stretch
    return found


def make(root: Path, story: Story | None = None, name: str = "20261116T084640Z-failover") -> Path:
    """Write the bundle and return its directory."""
    story = story or Story()
    bundle = root / name
    bundle.mkdir(parents=True)
    _ledger(bundle, story)
    _load(bundle, story)
    _samples(bundle, story)
    config = {
        "target": {"name": "testbed", "load": {"token": "hunter2", "tokens_max": 1000}},
        "drill": {"profile": "m3_20k", "scale": 0.1},
        **story.details,
    }
    (bundle / "config.json").write_text(json.dumps(config))
    (bundle / "verdict.json").write_text(json.dumps(verdict(story)))
    return bundle


def verdict(story: Story) -> dict[str, Any]:
    """A verdict of the shape that a judge writes."""
    findings = []
    dead = story.verdict == "FAIL" and not story.stopped
    for phase, tier, t0, t1 in [
        *spans(story),
        ("evacuate..restore", "G", 84 * story.stretch, 284 * story.stretch),
    ]:
        if tier is None:
            continue
        strict = tier == "X"
        late = phase in ("dark", "restore", "evacuate..restore")
        rows: list[tuple[str, float, float, str, bool]] = [
            ("availability", 0.9998, 0.9995 if strict else 0.999, "share", True),
            ("success_2xx", 0.9991 - (story.shed_share if late else 0), 0.95, "share", True),
            ("rate_5xx", 0.0002, 0.003 if strict else 0.005, "share", False),
            (
                "rate_429",
                0.0007 + (story.shed_share if late else 0),
                0.05 if strict else 0.04,
                "share",
                False,
            ),
            (
                "first_token_p95",
                1.02 + (story.hurt_s if late else 0),
                2.0 if strict else 2.5,
                "s",
                False,
            ),
            ("completion_p95", 13.9, 15.0 if strict else 18.0, "s", False),
            ("queue_age", 0.4, 30.0, "s", False),
        ]
        for slo, measured, threshold, unit, floor in rows:
            for source in ("server", "client"):
                margin = measured - threshold if floor else threshold - measured
                missing = story.unknown and slo == "availability" and phase == "dark"
                status = "unknown" if missing else "pass" if margin >= 0 else "fail"
                row = {
                    "slo": slo,
                    "tier": tier,
                    "phase": phase,
                    "region": None,
                    "source": source,
                    "window": [START_S + t0, START_S + t1],
                    "threshold": threshold,
                    "measured": None if missing else measured,
                    "margin": None if missing else margin,
                    "unit": unit,
                    "samples": None if missing else 286 * (t1 - t0),
                    "status": status,
                }
                if missing:
                    row["detail"] = "800 canaries, 1,000 needed to show 99.9 %"
                if slo.endswith("p95"):
                    row["bracket"] = [measured * 0.95, measured * 1.02]
                row["detail"] = story.details.get("detail", row.get("detail", ""))
                findings.append(row)
    findings.append(
        {
            "slo": "streams_achieved",
            "tier": "X",
            "phase": "baseline",
            "region": None,
            "source": "client",
            "window": None,
            "threshold": 1960,
            "measured": 1994.2,
            "margin": 34.2,
            "unit": "streams",
            "samples": 60,
            "status": "pass",
        }
    )
    statuses = {f["status"] for f in findings}
    assert not dead or "fail" in statuses
    return {
        "schema_version": 1,
        "drill_id": "20261116T084640Z-failover",
        "verdict": story.verdict,
        "stopped_by": story.stopped["by"] if story.stopped else None,
        "evidence": story.evidence,
        "gate": "M3",
        "tier": "X",
        "profile": "m3_20k",
        "platform_build": ["testbed-1"],
        "findings": findings,
        "load": {
            "target_streams": story.scale_streams,
            "achieved_streams": 1994.2,
            "loop_lag_ms_p99": 9.4,
            "offered": 81_650,
            "scheduled": 81_652,
            "late_share": 0.0003,
            "first_token_error_ms_p95": 14.0,
        },
        "faults": [
            {
                "fault": "region_power",
                "region": story.regions[0],
                "proven": story.fault_proven,
                "why": "no connection was answered for 110 s"
                if story.fault_proven
                else "the region still answered",
                "proof": {
                    "connections_answered": 0 if story.fault_proven else 412,
                    "dns_answers": 0,
                },
            }
        ],
        "triggers": [],
        "timings_s": {"decide": 0.4, "shift": 14.2, "drain": 12.8, "dark": 110.0, "restore": 27.5},
        "undo": {
            "pending": ["u3"] if story.rollback_failed else [],
            "verified": not story.rollback_failed,
        },
        "started_at": "2026-11-18T11:06:40Z",
        "ended_at": "2026-11-18T11:11:30Z",
    }


def _ledger(bundle: Path, story: Story) -> None:
    west, east = story.regions
    records: list[dict[str, Any]] = []

    def tell(t: float, event: str, **fields: Any) -> None:
        records.append({"seq": 0, "t": START_S + t, "event": event, **fields})

    tell(
        0,
        "drill_started",
        drill_id=bundle.name,
        drill="region_failover",
        title=story.title,
        kind="failover",
        gate="M3",
        tier="X",
        drill_tier="G",
        profile="m3_20k",
        scale=0.1,
        time_scale=6,
        seed=7,
        target="testbed",
        target_class="testbed",
        defect=None,
        evidence=story.evidence,
        regions=list(story.regions),
        evacuated=west,
        platform_build=["testbed-1"],
        versions={"muster": "0.1.0", "python": "3.11.2"},
        streams_target=story.scale_streams,
        scrape_interval_s=1,
        ttl_s=5,
        dns={"health_check_interval_s": 10, "threshold": 1},
        limits={"stream_seconds_max": 31},
    )
    for name, tier, t0, t1 in spans(story):
        tell(t0 + 0.1, "phase_started", phase=name, tier=tier)
        k = story.stretch
        if name == "ramp":
            tell(t0 + 0.2, "load_started", shards=2, pids=[1, 2])
        if name == "evacuate":
            tell(
                t0 + 0.2,
                "fault_declared",
                fault="region_power",
                region=west,
                expects=["region_ready"],
                t_end_known=False,
            )
            for at, share in ((1, 25), (12, 10), (22, 0)):
                tell(t0 + at * k, "step", shares={west: share, east: 100 - share}, weights={})
        if name == "dark":
            tell(t0 + 0.3, "fault_applied", fault="region_power", region=west)
            tell(t0 + 1.5, "region_dark", region=west)
            tell(
                t0 + 9,
                "fault_proof",
                fault="region_power",
                region=west,
                proven=story.fault_proven,
                proof={"connections_answered": 0, "looks_proven": 9, "held_s": 20.0},
                why=story.details.get("proof", "no connection was answered"),
            )
            if story.trigger:
                tell(t0 + 60, "trigger", **{"t_trip": START_S + t0 + 58, **story.trigger})
            if story.stopped:
                tell(t0 + 60.2, "stopped", **story.stopped)
        if name == "restore":
            tell(t0 + 0.4, "fault_reverted", fault="region_power", region=west)
            tell(t0 + 6, "region_lit", region=west)
            for at, share in ((8, 25), (18, 50)):
                tell(t0 + at * k, "step", shares={west: share, east: 100 - share}, weights={})
        if name == "verify":
            bad = story.rollback_failed
            tell(
                t1 - 2,
                "undo",
                entry_id="u3",
                subject="weight of eu-west-1",
                state="failed" if bad else "done",
            )
            tell(
                t1 - 1,
                "verify",
                pending=["u3"] if bad else [],
                verified=not bad,
                readback=[
                    {
                        "subject": f"weight of {west}",
                        "expected": "128",
                        "actual": "0" if bad else "128",
                        "ok": not bad,
                    }
                ],
                commands=[
                    "aws route53 change-resource-record-sets --hosted-zone-id Z1 "
                    "--change-batch file://undo.json"
                ]
                if bad
                else [],
            )
        tell(t1 - 0.1, "phase_ended", phase=name, outcome="ok")
    tell(t1, "drill_ended")
    records.sort(key=lambda record: record["t"])
    for index, record in enumerate(records, start=1):
        record["seq"] = index
    lines = [json.dumps(record) + "\n" for record in records]
    (bundle / "ledger.jsonl").write_text("".join(lines))


def share_of_west(t: float, story: Story) -> float:
    """The evacuated region's share of new streams at second `t`."""
    k = story.stretch
    steps = [(0, 0.5), (85, 0.25), (96, 0.1), (106, 0.0), (252, 0.25), (262, 0.5)]
    share = 0.5
    for at, to in steps:
        if t >= at * k:
            share = to + (share - to) * float(np.exp(-(t - at * k) / 2.5))
    return share


def _load(bundle: Path, story: Story) -> None:
    told = (story.regions, story.stretch, story.scale_streams, story.gap)
    for shard, text in enumerate(_shards(*told, story.shed_share, story.hurt_s)):
        (bundle / f"load-{shard}.jsonl").write_text(text)


@cache
def _shards(
    regions: tuple[str, str],
    stretch: int,
    scale_streams: int,
    gap: tuple[int, int] | None,
    shed_share: float,
    hurt_s: float,
) -> list[str]:
    """The record of each shard: many stories differ in other things."""
    story = Story(
        regions=regions,
        stretch=stretch,
        scale_streams=scale_streams,
        gap=gap,
        shed_share=shed_share,
        hurt_s=hurt_s,
    )
    west, east = regions
    found = []
    end = spans(story)[-1][3]
    rng = np.random.default_rng(11)
    header = json.dumps({"schema": 1, "bucket_ratio": 1.01, "bucket_min_ms": 1}) + "\n"
    for shard in (0, 1):
        lines = [header]
        open_w = open_e = 0.0
        for t in range(5, end):
            ramp = min(1.0, (t - 4) / (20 * story.stretch))
            rate = 143.0 * ramp * story.scale_streams / STREAMS
            share = share_of_west(t, story)
            new_w = int(rng.poisson(rate * share))
            new_e = int(rng.poisson(rate * (1 - share)))
            open_w += new_w - open_w / 7
            open_e += new_e - open_e / 7
            if story.gap and story.gap[0] <= t < story.gap[1]:
                continue
            late = t >= 106 * story.stretch
            shed = int(new_e * story.shed_share) if late else 0
            slow = story.hurt_s if late else 0.0
            line = {
                "t": START_S + t + 0.3 * shard,
                "shard": shard,
                "streams_open": {west: round(open_w), east: round(open_e)},
                "streams_target": story.scale_streams / 2,
                "answers": {
                    west: {"200": new_w},
                    east: {
                        "200": new_e - shed,
                        "429": shed,
                        **({"503": 2} if t == 117 * story.stretch else {}),
                    },
                },
                "outcomes": {east: {"success": new_e, "broken": 1 if t % 97 == 0 else 0}},
                "first_token_ms": {
                    west: _draw(rng, new_w, 0.62, 0.3),
                    east: _draw(rng, new_e, 0.62 + slow, 0.3),
                },
                "completion_ms": {
                    west: _draw(rng, new_w, 7.0, 0.42),
                    east: _draw(rng, new_e, 7.0, 0.42),
                },
                "first_token_error_ms": {"12": 3},
                "canaries": {east: {"answered": 25}},
                "loop_lag_ms_max": round(float(rng.gamma(2.0, 1.6)), 2),
                "loop_lag_ms": {"3": 100},
                "connections": {east: 4},
                "scheduled": 143,
                "offered": 143,
                "late": 0,
                "cpu_s": 0.1,
                "rss_bytes": 90_000_000,
            }
            lines.append(json.dumps(line) + "\n")
        found.append("".join(lines))
    return found


def _draw(rng: np.random.Generator, n: int, median: float, spread: float) -> dict[str, int]:
    seconds = np.minimum(rng.lognormal(np.log(median), spread, n), 29.0)
    buckets = np.ceil(np.log(seconds * 1000) / np.log(1.01)).astype(int)
    found, counts = np.unique(buckets, return_counts=True)
    return dict(zip(map(str, found.tolist()), counts.tolist(), strict=True))


def _samples(bundle: Path, story: Story) -> None:
    end = spans(story)[-1][3]
    k = story.stretch
    lines: list[str] = []
    number = 0
    times = [START_S + t for t in range(end)]
    for region in story.regions:
        west = region == story.regions[0]
        dead = [west and 135 * k <= t < 247 * k for t in range(end)]

        def emit(
            signal: str,
            name: str,
            labels: dict[str, str],
            values: list[float],
            dead: list[bool] = dead,
            region: str = region,
        ) -> None:
            nonlocal number
            number += 1
            labels = {**labels, "region": region, "instance": "127.0.0.1:7450"}
            head = {"series": number, "signal": signal, "name": name, "labels": labels}
            lines.append(json.dumps(head))
            kept = [(t, v) for t, v, d in zip(times, values, dead, strict=True) if not d]
            for first in range(0, len(kept), 60):
                part = kept[first : first + 60]
                lines.append(
                    json.dumps({"i": number, "t": [t for t, _ in part], "v": [v for _, v in part]})
                )

        rng = np.random.default_rng(3)
        age = [0.4 if t % 53 == 0 and t > 24 else 0.0 for t in range(end)]
        emit("queue_age", "chat_queue_oldest_job_age_seconds", {}, age)
        rates = [
            286 * (share_of_west(t, story) if west else 1 - share_of_west(t, story))
            for t in range(end)
        ]
        for signal, name, median, spread in (
            ("first_token", "gen_ai_server_time_to_first_token_seconds", 0.6, 0.3),
            ("completion", "gen_ai_server_request_duration_seconds", 6.9, 0.42),
        ):
            draws = rng.lognormal(np.log(median), spread, 4000)
            for edge in (*EDGES_S, float("inf")):
                below = float((draws <= edge).mean())
                total = np.cumsum([rate * below for rate in rates]).round().tolist()
                le = "+Inf" if edge == float("inf") else f"{edge:g}"
                emit(signal, f"{name}_bucket", {"le": le}, total)
    (bundle / "samples.jsonl").write_text("\n".join(lines) + "\n")
