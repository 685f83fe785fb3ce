"""Judges a tier on hours of real traffic by the platform's own figures, without a load or its
clients.

Each occurrence of the hours is judged by itself, and all of them together, by the same counting as
a drill's phases. Missing samples and gaps are unknown. What only a client could show is listed as
not judged and is never a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from muster.contract.model import Contract, Tier
from muster.judge.consistency import judge_consistency
from muster.judge.evaluate import LATENCY_SLOS, SLOS, Judging, judge_slo
from muster.judge.findings import Finding, unmeasured
from muster.judge.gauges import mean_total
from muster.judge.latency import judge_latency
from muster.samples.counting import Count, judge_share
from muster.samples.rates import server_counts
from muster.samples.series import Samples
from muster.samples.windows import Window

SIGNALS = (
    "requests",
    "streams_broken",
    "first_token",
    "completion",
    "open_over",
    "streams_active",
    "client_canaries",
)
"""The signals to read; the last one tells availability only where somebody sent canaries."""
WORDS = {"pass": "HELD", "fail": "MISSED"}
"""A finding's status as it is printed; anything else is UNKNOWN."""


@dataclass(frozen=True)
class Asked:
    """What the hours are judged by. `shown`: optional signals that the target names."""

    contract: Contract
    tier: Tier
    regions: tuple[str, ...]
    scrape_s: float
    shown: frozenset[str] = frozenset()

    @property
    def stale_s(self) -> float:
        """How old a sample may be to stand for a moment, in seconds."""
        return self.contract.measurement.gap_s_max(self.scrape_s)


@dataclass(frozen=True)
class Counted:
    """Bad requests of all. `exact` False: the number of bad ones may be too high."""

    count: Count
    exact: bool = True


@dataclass(frozen=True)
class Hours:
    """One judged occurrence. `streams`: mean of open streams, None without data."""

    name: str
    start_s: float
    end_s: float
    findings: tuple[Finding, ...]
    counted: dict[str, Counted]
    streams: float | None = None

    @property
    def word(self) -> str:
        """HELD, MISSED or UNKNOWN."""
        return word_of(self.findings)


def word_of(findings: Sequence[Finding]) -> str:
    """MISSED where anything fails, HELD where everything passes, else UNKNOWN."""
    statuses = {finding.status for finding in findings}
    if "fail" in statuses:
        return "MISSED"
    return "HELD" if statuses == {"pass"} else "UNKNOWN"


def judge_hours(asked: Asked, samples: Samples, name: str, start_s: float, end_s: float) -> Hours:
    """Judge the tier's SLOs from `start_s` to `end_s`, by the platform's counts."""
    judging = Judging(
        contract=asked.contract,
        samples=samples,
        regions=asked.regions,
        queue_age_s_max=float("inf"),
        stale_s=asked.stale_s,
        absences=(),
        scrape_s=asked.scrape_s,
        shown=asked.shown,
    )
    window = Window(start_s, end_s, asked.stale_s)
    findings: list[Finding] = []
    for slo in SLOS:
        source = "client" if slo == "availability" else "server"
        if slo == "availability" and not samples.of("client_canaries"):
            continue
        found = judge_slo(judging, window, name, asked.tier, slo)
        findings += [finding for finding in found if finding.source == source]
    incomplete = judge_consistency(samples, window, name, asked.shown)
    findings += [finding for finding in incomplete if finding.source == "server"]
    findings += [_missing(name, window, why) for why in _gaps(asked, samples, window)]
    held = mean_total(samples, "streams_active", window, asked.scrape_s)
    streams = None if held is None else held.seen
    counted = _counted(asked, samples, window)
    return Hours(name, start_s, end_s, tuple(findings), counted, streams)


def judge_together(asked: Asked, hours: Sequence[Hours]) -> list[Finding]:
    """Judge each SLO over all occurrences, counted as one; unknown if one of them is."""
    found: list[Finding] = []
    for slo, bad_max in _tolerated(asked).items():
        parts = [one.counted[slo] for one in hours]
        count = Count(_sum([p.count.bad for p in parts]), _sum([p.count.total for p in parts]))
        status, reason = judge_share(count, bad_max)
        if status == "fail" and not all(part.exact for part in parts):
            status, reason = "unknown", "the histogram has no edge at the threshold"
        share = count.share_bad_pct
        found.append(
            Finding(
                slo=slo,
                tier=asked.tier.name,
                phase="all together",
                region=None,
                source="server",
                window=(hours[0].start_s, hours[-1].end_s) if hours else None,
                threshold=float(100 * bad_max),
                measured=None if share is None else round(share, 4),
                margin=None if share is None else round(float(100 * bad_max) - share, 4),
                unit="% bad",
                samples=None if count.total is None else round(count.total),
                status=status,
                reason=reason,
            )
        )
    return found


def not_judged(asked: Asked, *, canaries: bool) -> list[str]:
    """What these samples cannot show, each with its reason."""
    told = [] if canaries else ["availability: no canaries are sent through the public name"]
    told.append("what clients saw: refused connections, cut ones, latencies from their own start")
    told.append(f"open streams: only a drill's load offers the tier's {asked.tier.streams:,}")
    if "streams_broken" not in asked.shown:
        told.append("streams cut after status 200: the target names no signal streams_broken")
    if "open_over" not in asked.shown:
        told.append("requests still open at the end: the target names no signal open_over")
    return told


def _tolerated(asked: Asked) -> dict[str, Fraction]:
    tier, percentile = asked.tier, asked.contract.measurement.percentile
    return {
        "success_2xx": 1 - tier.success_2xx_min,
        "rate_5xx": tier.rate_5xx_max,
        "rate_429": tier.rate_429_max,
        **{slo: 1 - percentile for slo in LATENCY_SLOS},
    }


def _counted(asked: Asked, samples: Samples, window: Window) -> dict[str, Counted]:
    found = {slo: Counted(count) for slo, count in server_counts(samples, window).items()}
    for slo in LATENCY_SLOS:
        kind = slo.removesuffix("_p95")
        threshold_s = float(getattr(asked.tier, f"{slo}_s_max"))
        latency = judge_latency(
            samples,
            window,
            histogram=kind,
            open_signal="open_over",
            open_phase=kind,
            open_required=False,
            threshold_s=threshold_s,
            percentile=asked.contract.measurement.percentile,
        )
        total, share = latency.total, latency.share_under_pct
        bad = None if total is None or share is None else round(total * (1 - share / 100))
        edges = {one.labels.get("le", "") for one in samples.of(kind, "_bucket")}
        exact = any(edge != "+Inf" and float(edge) == threshold_s for edge in edges if edge)
        found[slo] = Counted(Count(bad, total), exact)
    return found


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) and parts else None


def _gaps(asked: Asked, samples: Samples, window: Window) -> list[str]:
    """Missing scrapes: a region without samples for a time, or a process with a gap."""
    found: list[str] = []
    for region in asked.regions:
        own = samples.of("requests", region=region)
        by_process: dict[str, set[float]] = {}
        for one in own:
            known = [t for t, v in zip(one.t.tolist(), one.v.tolist(), strict=True) if v == v]
            by_process.setdefault(one.labels.get("instance", ""), set()).update(known)
        inside = sorted(t for times in by_process.values() for t in times if t <= window.end_s)
        inside = [t for t in inside if t >= window.start_s - asked.stale_s]
        if not inside:
            found.append(f"requests has no samples in {region}")
            continue
        gap_s = _longest([window.start_s, *inside, window.end_s])
        if gap_s > asked.stale_s:
            found.append(f"no sample of requests in {region} for {gap_s:.0f} s")
            continue
        for instance, times in sorted(by_process.items()):
            seen = sorted(t for t in times if window.start_s - asked.stale_s <= t <= window.end_s)
            if len(seen) > 1 and _longest(seen) > asked.stale_s:
                found.append(f"no sample of {instance} in {region} for {_longest(seen):.0f} s")
                break
    return found


def _longest(moments: Sequence[float]) -> float:
    return max((b - a for a, b in pairwise(moments)), default=0.0)


def _missing(name: str, window: Window, why: str) -> Finding:
    return unmeasured(
        "samples_complete",
        "server",
        "unknown",
        why,
        phase=name,
        window=(window.start_s, window.end_s),
    )
