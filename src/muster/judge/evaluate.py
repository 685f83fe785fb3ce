"""Judges every service level of a tier on a stretch of time: findings that pass, fail or are
unknown.

Client and server are both judged; if either fails, the service level fails. Each stretch is judged
by itself, and the whole drill once more. A long quiet hold therefore never dilutes a bad shift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import sqrt

from muster.contract.model import Contract, Profile, Tier
from muster.judge.agreement import Agreements, agreed
from muster.judge.consistency import judge_consistency
from muster.judge.declared import as_declared
from muster.judge.findings import Finding
from muster.judge.gauges import judge_queue_age, mean_total
from muster.judge.latency import judge_latency
from muster.judge.lengths import NOT_COUNTED, Lengths, judge_lengths
from muster.judge.phases import Phase, merged
from muster.judge.rig import judge_rig
from muster.judge.taken_out import without_canaries
from muster.judge.timed import untimed
from muster.samples.counting import Count, Status, judge_share, smallest_sample, upper_bound_pct
from muster.samples.rates import (
    canary_count,
    client_counts,
    failed_by_name,
    longest_without_canaries_s,
    server_counts,
)
from muster.samples.series import Samples
from muster.samples.windows import Absence, Window

LATENCY_SLOS = ("first_token_p95", "completion_p95")
CANARY_GAPS_MAX = 4
"""Canaries are sent at a fixed rate: no time without one is longer than so many of the longest
allowed gaps between samples, or of their own mean distances."""
SLOS = ("availability", "success_2xx", "rate_5xx", "rate_429", *LATENCY_SLOS)


@dataclass(frozen=True)
class Judging:
    """The input of every rule: the contract, the samples, and how to read them.

    `shown`: optional signals that the target says its platform shows. `declared`: signals that it
    says its platform does not have, with the reasons.
    """

    contract: Contract
    samples: Samples
    regions: tuple[str, ...]
    queue_age_s_max: float
    stale_s: float
    absences: tuple[Absence, ...]
    scrape_s: float = 1.0
    shown: frozenset[str] = frozenset()
    lengths: Lengths = NOT_COUNTED
    declared: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def agreements(self) -> Agreements:
        """What the counts of load and platform say of each other."""
        tolerance = self.contract.measurement.counts_tolerance
        return Agreements(self.samples, tolerance, self.scrape_s)


def judge_phases(judging: Judging, phases: Sequence[Phase], tier: Tier) -> list[Finding]:
    """All six SLOs, queue age and the rig, phase by phase (merged where too short)."""
    findings: list[Finding] = []
    for slo in _rules(judging, tier):
        for name, window in _stretches(judging, phases, tier, slo):
            findings.extend(judge_slo(judging, window, name, tier, slo))
    for phase in phases:
        window = _window(judging, phase.start_s, phase.end_s)
        findings.extend(queue_findings(judging, window, phase.name))
        findings.extend(judge_consistency(judging.samples, window, phase.name, judging.shown))
        rules = judging.contract.load_validity
        findings.extend(judge_lengths(judging.samples, window, phase.name, rules, judging.lengths))
        rig = judge_rig(judging.samples, window, phase.name, rules)
        findings.extend(rig.findings)
    windows = [(phase.name, _window(judging, phase.start_s, phase.end_s)) for phase in phases]
    return agreed(findings, windows, judging.agreements)


def judge_whole(judging: Judging, phases: Sequence[Phase], tier: Tier) -> list[Finding]:
    """Judge all six SLOs from the start of the first of `phases` to the end of the last."""
    name = f"{phases[0].name}..{phases[-1].name}"
    window = _window(judging, phases[0].start_s, phases[-1].end_s)
    found = [
        f for slo in _rules(judging, tier) for f in judge_slo(judging, window, name, tier, slo)
    ]
    return agreed(found, [(name, window)], judging.agreements)


def judge_slo(judging: Judging, window: Window, phase: str, tier: Tier, slo: str) -> list[Finding]:
    """Judge one SLO on one window, from each source that measures it."""
    if slo == "availability":
        return [_availability(judging, window, phase, tier)]
    if slo in LATENCY_SLOS:
        return [
            _latency(judging, window, phase, tier, slo, "client"),
            without_canaries(
                lambda taken: _latency(judging, window, phase, tier, slo, "server", taken),
                judging.agreements.of(window).taken.get(slo.removesuffix("_p95"), 0.0),
            ),
        ]
    bad_max = _rules(judging, tier)[slo]
    sent = client_counts(judging.samples, window)[slo]
    served = server_counts(judging.samples, window)[slo]
    found = [
        _share_finding(slo, tier.name, phase, "client", window, sent, bad_max),
        without_canaries(
            lambda taken: _share_finding(
                slo, tier.name, phase, "server", window, served.without_good(taken), bad_max
            ),
            judging.agreements.of(window).taken.get("requests", 0.0),
        ),
    ]
    if slo == "success_2xx" and found[0].status == "fail":
        found[0] = replace(found[0], reason=failed_by_name(judging.samples, window))
    return found


def queue_findings(judging: Judging, window: Window, phase: str) -> list[Finding]:
    """Judge the oldest job in each region's queue against the gate's limit."""
    found: list[Finding] = []
    limit_s = judging.queue_age_s_max
    for region in judging.regions:
        queue = judge_queue_age(judging.samples, window, region, limit_s, judging.scrape_s)
        age_s = queue.age_s_max
        found.append(
            Finding(
                slo="queue_age",
                tier=None,
                phase=phase,
                region=region,
                source="server",
                window=(window.start_s, window.end_s),
                threshold=limit_s,
                measured=age_s,
                margin=None if age_s is None else limit_s - age_s,
                unit="s",
                samples=queue.scrapes,
                status=queue.status,
                reason=queue.reason,
            )
        )
    reason = judging.declared.get("queue_age")
    if reason is not None and not judging.samples.of("queue_age"):
        return [as_declared(one, reason) for one in found]
    return found


def streams_finding(
    judging: Judging, phase: Phase, profile: Profile, streams_target: int
) -> Finding:
    """Judge the mean of open streams; below the target by over 2 % and three standard errors is a
    fail.
    """
    window = _window(judging, phase.start_s, phase.end_s)
    held = mean_total(judging.samples, "client_streams", window, judging.scrape_s)
    rules = judging.contract.load_validity
    seconds = max(window.end_s - window.start_s, 1e-9)
    # Open streams stay correlated for one residual stream length: that many samples are one
    # observation.
    standard_error = sqrt(streams_target * min(1.0, 2 * profile.residual_s / seconds))
    floor = streams_target * (1 - float(rules.streams_tolerance))
    floor -= rules.streams_standard_errors * standard_error
    mean = None if held is None else held.seen
    status: Status = "unknown"
    reason = "no data" if held is None else f"of {streams_target}"
    if held is not None and held.at_least >= floor:
        status = "pass"
    elif held is not None and held.seen < floor:
        status = "fail"
    elif held is not None:
        reason += f"; scrapes are missing: the true mean may be {held.at_least:.0f}"
    return Finding(
        slo="streams_achieved",
        tier=None,
        phase=phase.name,
        region=None,
        source="client",
        window=(window.start_s, window.end_s),
        threshold=round(floor, 1),
        measured=None if mean is None else round(mean, 1),
        margin=None if mean is None else round(mean - floor, 1),
        unit="streams",
        samples=judging.samples.scrapes("client_streams", window.start_s, window.end_s),
        status=status,
        reason=reason,
    )


def _rules(judging: Judging, tier: Tier) -> dict[str, Fraction]:
    """Each SLO's tolerated share of bad requests (for latencies: of those over the threshold)."""
    return {
        "availability": 1 - tier.availability_min,
        "success_2xx": 1 - tier.success_2xx_min,
        "rate_5xx": tier.rate_5xx_max,
        "rate_429": tier.rate_429_max,
        "first_token_p95": 1 - judging.contract.measurement.percentile,
        "completion_p95": 1 - judging.contract.measurement.percentile,
    }


def _window(judging: Judging, start_s: float, end_s: float) -> Window:
    return Window(start_s, end_s, judging.stale_s, judging.absences)


def _stretches(
    judging: Judging, phases: Sequence[Phase], tier: Tier, slo: str
) -> list[tuple[str, Window]]:
    bad_max = _rules(judging, tier)[slo]

    def enough(window: Window) -> bool:
        if slo == "availability":
            count = canary_count(judging.samples, window)
        elif slo in LATENCY_SLOS:
            total = client_counts(judging.samples, window)["success_2xx"].total
            return total is None or total >= smallest_sample(bad_max)
        else:
            count = client_counts(judging.samples, window)[slo]
        # Unknown for lack of data is judged where it occurs, and so is a rule that a single event
        # fails. Merging must hide neither.
        return count.bad is None or judge_share(count, bad_max)[0] != "unknown"

    return merged(phases, judging.stale_s, judging.absences, enough)


def _share_finding(
    slo: str,
    tier: str,
    phase: str,
    source: str,
    window: Window,
    count: Count,
    bad_max: Fraction,
) -> Finding:
    status, reason = judge_share(count, bad_max)
    bad_pct = count.share_bad_pct
    floor = slo in ("availability", "success_2xx")
    threshold = float(100 * (1 - bad_max if floor else bad_max))
    measured = None if bad_pct is None else (100 - bad_pct if floor else bad_pct)
    margin = None
    if measured is not None:
        margin = measured - threshold if floor else threshold - measured
    return Finding(
        slo=slo,
        tier=tier,
        phase=phase,
        region=None,
        source=source,
        window=(window.start_s, window.end_s),
        threshold=threshold,
        measured=None if measured is None else round(measured, 4),
        margin=None if margin is None else round(margin, 4),
        unit="%",
        samples=None if count.total is None else round(count.total),
        status=status,
        reason=reason,
    )


def _availability(judging: Judging, window: Window, phase: str, tier: Tier) -> Finding:
    count = canary_count(judging.samples, window)
    bad_max = _rules(judging, tier)["availability"]
    finding = _share_finding("availability", tier.name, phase, "client", window, count, bad_max)
    if count.bad is None or not count.total:
        return finding
    confidence = float(judging.contract.measurement.availability.bound_confidence)
    worst = upper_bound_pct(round(count.bad), round(count.total), confidence)
    bound = f"at least {100 - worst:.3f} % with {100 * confidence:g} % confidence"
    reason = f"{finding.reason}; {bound}" if finding.reason else bound
    every_s = (window.end_s - window.start_s) / count.total
    silent_s = longest_without_canaries_s(judging.samples, window)
    if finding.status == "pass" and silent_s > CANARY_GAPS_MAX * max(window.stale_s, every_s):
        # The ones before and after say nothing of the time between them.
        return replace(finding, status="unknown", reason=f"no canary for {silent_s:.0f} s; {bound}")
    return replace(finding, reason=reason)


def _latency(
    judging: Judging,
    window: Window,
    phase: str,
    tier: Tier,
    slo: str,
    source: str,
    taken: float = 0.0,
) -> Finding:
    kind = slo.removesuffix("_p95")
    threshold_s = tier.first_token_p95_s_max if kind == "first_token" else tier.completion_p95_s_max
    prefix = "client_" if source == "client" else ""
    latency = judge_latency(
        judging.samples,
        window,
        histogram=f"{prefix}{kind}",
        open_signal=f"{prefix}open_over",
        open_phase=kind,
        open_required=source == "client",
        threshold_s=threshold_s,
        percentile=judging.contract.measurement.percentile,
        fast_others=taken,
    )
    if latency.status == "pass":
        tolerance = judging.contract.measurement.counts_tolerance
        if why := untimed(judging.samples, window, latency.total, tolerance, judging.scrape_s):
            latency = replace(latency, status="unknown", reason=why)
    share = latency.share_under_pct
    said = f"{share:.2f} % at or under {threshold_s:g} s" if share is not None else ""
    return Finding(
        slo=slo,
        tier=tier.name,
        phase=phase,
        region=None,
        source=source,
        window=(window.start_s, window.end_s),
        threshold=threshold_s,
        measured=None,
        margin=None,
        unit="s",
        samples=latency.total,
        status=latency.status,
        reason="; ".join(part for part in (latency.reason, said) if part),
        bracket=latency.bracket,
    )
