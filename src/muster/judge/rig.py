"""Judges whether the rig was fit: the load kept its schedule and no event loop lagged."""

from __future__ import annotations

from dataclasses import dataclass

from muster.contract.model import LoadValidity
from muster.judge.findings import Finding
from muster.samples.counting import Status
from muster.samples.series import Samples
from muster.samples.windows import Window, at, total_growth

LAG_SHARE_MIN = 0.99


@dataclass(frozen=True)
class Rig:
    """Findings about the rig in one window.

    `slow`: the limits that the rig broke, so that failures there say nothing about the platform;
    empty if it broke none.
    """

    findings: tuple[Finding, ...]
    slow: str


def judge_rig(samples: Samples, window: Window, phase: str, rules: LoadValidity) -> Rig:
    """Judge offered against scheduled arrivals, late starts and loop lag, all three-valued."""
    offered = _offered(samples, window, phase, rules)
    findings = [offered]
    slow = ""
    for component in sorted(
        {s.labels.get("component", "") for s in samples.of("rig_lag")} | {"load"}
    ):
        finding, over = _lag(samples, window, phase, component, rules)
        findings.append(finding)
        slow = slow or over
    late = total_growth(samples.of("client_late"), window)
    started = total_growth(samples.of("client_offered"), window)
    if late is not None and started and late > float(rules.late_share_max) * started:
        slow = slow or f"{100 * late / started:.1f} % of arrivals started late"
    if offered.measured is not None and offered.status != "pass":
        slow = slow or f"{offered.measured:.1f} % of the scheduled arrivals were offered"
    return Rig(tuple(findings), slow)


def _offered(samples: Samples, window: Window, phase: str, rules: LoadValidity) -> Finding:
    """A load short of its schedule proves nothing about the platform: unknown, never fail."""
    scheduled = total_growth(samples.of("client_scheduled"), window)
    offered = total_growth(samples.of("client_offered"), window)
    status: Status = "unknown"
    reason, share = "no data", None
    if scheduled and offered is not None:
        # An arrival due at an end of the window and started just after it was late, not left out.
        within_s = rules.catch_up_s_max + window.stale_s
        kept = offered + _made_up(samples, window.end_s, within_s, window.stale_s)
        kept -= _made_up(samples, window.start_s, within_s, window.stale_s)
        share = 100 * kept / scheduled
        tolerance = float(rules.offered_tolerance) * scheduled
        short = abs(kept - scheduled) > max(tolerance, 2.0)
        status, reason = ("unknown", "the load left its schedule") if short else ("pass", "")
    floor = 100 * (1 - float(rules.offered_tolerance))
    return Finding(
        slo="load_offered",
        tier=None,
        phase=phase,
        region=None,
        source="client",
        window=(window.start_s, window.end_s),
        threshold=floor,
        measured=None if share is None else round(share, 3),
        margin=None if share is None else round(share - floor, 3),
        unit="%",
        samples=None if offered is None else round(offered),
        status=status,
        reason=reason,
    )


def _made_up(samples: Samples, moment_s: float, within_s: float, stale_s: float) -> float:
    """Arrivals that were due at a moment and not started then, but started within `within_s`.

    An arrival that is never started stays missing in every later count, so this counts only late
    ones.
    """

    def missing(t_s: float) -> float | None:
        due = [at(one, t_s, stale_s) for one in samples.of("client_scheduled")]
        begun = [at(one, t_s, stale_s) for one in samples.of("client_offered")]
        if not due or not begun or None in due or None in begun:
            return None
        return sum(filter(None, due)) - sum(filter(None, begun))

    now = missing(moment_s)
    if now is None:
        return 0.0
    first = samples.of("client_offered")[0].t
    later = first[(first > moment_s) & (first <= moment_s + within_s)]
    known = (missing(float(t_s)) for t_s in later)
    least = min((one for one in known if one is not None), default=now)
    return max(0.0, now - max(0.0, least))


def _lag(
    samples: Samples, window: Window, phase: str, component: str, rules: LoadValidity
) -> tuple[Finding, str]:
    """Loop lag of one part of the rig: p99 by its histogram, and which failures it excuses."""
    limit_s = rules.loop_lag_p99_s_max
    counts = samples.of("rig_lag", "_count", component=component)
    buckets = samples.of("rig_lag", "_bucket", component=component)
    total = total_growth(counts, window)
    by_edge: dict[float, float | None] = {}
    for le in {s.labels.get("le", "") for s in buckets} - {"+Inf", ""}:
        chosen = [s for s in buckets if s.labels.get("le") == le]
        by_edge[float(le)] = total_growth(chosen, window, siblings=buckets)
    p99_s, side = _quantile_edge(by_edge, total)
    status: Status = "pass" if p99_s is not None else "unknown"
    reason = "no data" if p99_s is None else ""
    slow = ""
    # In a window with under a hundred beats one late beat is over 1 %, which breaks no limit.
    alone = _over(by_edge, total, limit_s) <= 1
    if p99_s is not None and (p99_s > limit_s or side == "over") and not alone:
        slow = f"{component} lagged: p99 {side} {1000 * p99_s:g} ms"
        reason = "over the limit: failures in this window prove nothing; passes stand"
    lower_s = max((edge for edge in by_edge if p99_s is not None and edge < p99_s), default=0.0)
    bracket: tuple[float, float | None] | None = None
    if p99_s is not None:
        bracket = (1000 * p99_s, None) if side == "over" else (1000 * lower_s, 1000 * p99_s)
    finding = Finding(
        slo="load_loop_lag",
        tier=None,
        phase=phase,
        region=None,
        source=component,
        window=(window.start_s, window.end_s),
        threshold=1000 * limit_s,
        measured=None,
        margin=None,
        unit="ms",
        samples=None if total is None else round(total),
        status=status,
        reason=reason,
        bracket=bracket,
    )
    return finding, slow


def _over(by_edge: dict[float, float | None], total: float | None, limit_s: float) -> float:
    """At most how many beats were late by more than the limit."""
    under = [count for edge, count in by_edge.items() if edge <= limit_s and count is not None]
    return (total or 0.0) - max(under, default=0.0)


def _quantile_edge(
    by_edge: dict[float, float | None], total: float | None
) -> tuple[float | None, str]:
    """The smallest edge at or under which 99 % of the beats lie, or that they lie over the top
    edge.
    """
    counts = [(edge, by_edge[edge]) for edge in sorted(by_edge)]
    if not total or not counts or any(count is None for _, count in counts):
        return None, ""
    for edge, count in counts:
        if count is not None and count >= LAG_SHARE_MIN * total:
            return edge, "at or under"
    return counts[-1][0], "over"
