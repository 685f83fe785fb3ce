"""Judges the loss of a region by what its users experienced and by the state of the rig.

With the fastest possible detection half of the attempts still fail for over ten seconds, which no
tier allows. The time until then is therefore judged by the target's own objectives: how long
attempts failed (RTO), how many streams broke, and that none broke in other regions. From detection
+ TTL + 2 s on, the tier applies again.

What the rig caused is never attributed to the platform: it is measured (`rig_pinned`), and a miss
that it could explain is unknown. If the rig was pinned for longer than allowed, the drill proves
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from muster.judge.evaluate import Judging
from muster.judge.failing import Failing, failing_until
from muster.judge.findings import Finding
from muster.judge.phases import Phase
from muster.judge.rig_excuse import stop_excuse, unfit
from muster.judge.rig_pinned import Blackout, blackout
from muster.samples.counting import Status
from muster.samples.rates import FAILED_5XX
from muster.samples.windows import Window, at, total_growth

FAULT = "region_loss"
"""The fault of ledgers from before any other could lose a region."""
LOSS = "loss"
"""The phase in which a region is lost: whatever is declared in it did that."""
SPANS_MAX = 4


@dataclass(frozen=True)
class Loss:
    """The region is lost at `start_s` by `fault`; phase `loss` ends at `shifted_s`; the region is
    away until `end_s`.
    """

    region: str
    start_s: float
    shifted_s: float
    end_s: float
    fault: str = FAULT


@dataclass(frozen=True)
class JudgedLoss:
    """The result of judging a loss. `document` is the verdict's `loss`.

    `stop_excuse`: why a stop by a trigger or limit proves nothing about the platform; empty if it
    stands. `unfit`: why the rig shows nothing about the platform any more; empty if it does.
    """

    loss: Loss
    findings: tuple[Finding, ...]
    document: Mapping[str, Any]
    stop_excuse: str
    unfit: str

    def excused(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return `findings` of other rules; after the loss, an unfit rig makes failures unknown."""
        return [
            replace(one, status="unknown", reason=f"{one.reason}; {self.unfit}".removeprefix("; "))
            if self.unfit and one.status == "fail" and _after(self.loss, one)
            else one
            for one in findings
        ]


def loss_of(events: Sequence[Mapping[str, Any]], phases: Sequence[Phase]) -> Loss | None:
    """The loss that the ledger declares, or None."""
    within = [phase for phase in phases if phase.name == LOSS]
    declared = next(
        (
            event
            for event in events
            if event["event"] == "fault_declared"
            and (
                event.get("fault") == FAULT
                or any(phase.start_s <= float(event["t"]) <= phase.end_s for phase in within)
            )
        ),
        None,
    )
    if declared is None:
        return None
    start_s = _cut_from(declared, events)
    ends = {phase.name: phase.end_s for phase in phases if phase.end_s >= start_s}
    shifted_s = ends.get(LOSS, start_s)
    end_s = ends.get("failed_over", shifted_s)
    region, fault = str(declared.get("region", "")), str(declared.get("fault"))
    return Loss(region, start_s, shifted_s, end_s, fault)


def _cut_from(declared: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> float:
    """When the first stream could be cut, since the epoch: `cut_at` of the fault's own record.

    Reads may come first, which take a while and cut nothing. What is told of another time than
    between declaration and record is not believed: then the loss began with its declaration.
    """
    start_s, fault = float(declared["t"]), (declared.get("fault"), declared.get("region"))
    for event in events:
        if event["event"] == "fault_applied" and (event.get("fault"), event.get("region")) == fault:
            cut = event.get("cut_at")
            if isinstance(cut, int | float) and start_s <= cut <= float(event["t"]):
                return float(cut)
            break
    return start_s


def judge_loss(
    judging: Judging,
    loss: Loss,
    objective: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]] = (),
) -> JudgedLoss:
    """Judge RTO, streams broken in the lost region and elsewhere, traffic to the dead region, and
    the rig.
    """
    rules = judging.contract.load_validity
    whole = _window(judging, loss.start_s, loss.end_s)
    dark = blackout(judging.samples, whole, rules.loop_lag_p99_s_max)
    share_max = float(judging.contract.drill.shifted_share_max)
    failing = failing_until(judging.samples, whole, share_max, judging.scrape_s)
    counts = _counts(judging, loss)
    findings = (
        _rto(loss, failing, objective.get("rto_s_max"), dark, share_max),
        _broken(loss, counts, objective.get("streams_broken_share_max"), dark),
        _elsewhere(loss, counts, dark),
        _reached(judging, loss),
        _rig(loss, dark, rules.blackout_s_max),
    )
    return JudgedLoss(
        loss,
        findings,
        _document(loss, failing, counts, dark),
        stop_excuse(judging, loss.start_s, dark, events),
        unfit(dark.seconds, rules.blackout_s_max),
    )


def _after(loss: Loss, finding: Finding) -> bool:
    return finding.window is not None and finding.window[1] > loss.start_s


@dataclass(frozen=True)
class _Counts:
    """The load's counts in phase `loss`; None if unknown."""

    streams_open: float | None
    broken: float | None
    broken_elsewhere: float | None
    failed: float | None
    attempts: float | None


def _counts(judging: Judging, loss: Loss) -> _Counts:
    samples = judging.samples
    window = _window(judging, loss.start_s, loss.shifted_s)
    open_at = [at(one, loss.start_s, window.stale_s) for one in samples.of("client_streams")]
    known = [value for value in open_at if value is not None]
    attempts = samples.of("client_attempts")
    broken = [one for one in attempts if one.labels.get("outcome") == "broken"]
    failed = [one for one in attempts if one.labels.get("outcome") in FAILED_5XX]
    elsewhere = [one for one in broken if one.region != loss.region]
    return _Counts(
        sum(known) if known and len(known) == len(open_at) else None,
        total_growth(broken, window, siblings=attempts),
        total_growth(elsewhere, window, siblings=attempts),
        total_growth(failed, window, siblings=attempts),
        total_growth(attempts, window),
    )


def _rto(
    loss: Loss, failing: Failing | None, limit_s: float | None, dark: Blackout, share_max: float
) -> Finding:
    if failing is None or limit_s is None:
        reason = "no data" if failing is None else f"the target names no {loss.fault}.rto_s_max"
        return _finding("rto", loss, "unknown", None, limit_s, "s", reason=reason)
    failed = f"{100 * share_max:g} %"
    said = f"from the loss to the last second with over {failed} of the attempts failed"
    if failing.worst_s <= limit_s:
        return _finding("rto", loss, "pass", failing.worst_s, limit_s, "s", reason=said)
    if failing.seen_s <= limit_s:
        reason = f"{said}; data is missing for seconds up to {failing.worst_s:.0f} s"
        return _finding("rto", loss, "unknown", failing.seen_s, limit_s, "s", reason=reason)
    pinned_s = dark.within(loss.start_s, loss.start_s + failing.seen_s)
    if failing.seen_s - pinned_s <= limit_s:
        reason = f"{said}; the rig itself was pinned for {pinned_s:.1f} s of it"
        return _finding("rto", loss, "unknown", failing.seen_s, limit_s, "s", reason=reason)
    return _finding("rto", loss, "fail", failing.seen_s, limit_s, "s", reason=said)


def _broken(loss: Loss, counts: _Counts, share_max: float | None, dark: Blackout) -> Finding:
    slo = "streams_broken"
    limit = None if share_max is None else 100 * float(share_max)
    if limit is None or counts.broken is None or not counts.streams_open:
        named = f"the target names no {loss.fault}.streams_broken_share_max"
        return _finding(
            slo, loss, "unknown", None, limit, "%", reason=named if limit is None else "no data"
        )
    share = 100 * counts.broken / counts.streams_open
    said = f"{counts.broken:.0f} of {counts.streams_open:.0f} open streams broke"
    status, reason = _excused("pass" if share <= limit else "fail", said, loss, dark)
    samples = round(counts.streams_open)
    return _finding(slo, loss, status, round(share, 3), limit, "%", samples, reason=reason)


def _elsewhere(loss: Loss, counts: _Counts, dark: Blackout) -> Finding:
    count = counts.broken_elsewhere
    said = "streams that broke in regions that were not lost"
    if count is None:
        return _finding("broken_elsewhere", loss, "unknown", None, 0, "streams", reason="no data")
    status, reason = _excused("pass" if count <= 0 else "fail", said, loss, dark)
    return _finding("broken_elsewhere", loss, status, count, 0, "streams", reason=reason)


def _excused(status: Status, said: str, loss: Loss, dark: Blackout) -> tuple[Status, str]:
    pinned_s = dark.within(loss.start_s, loss.shifted_s)
    if status == "fail" and pinned_s:
        return "unknown", f"{said}; the rig itself was pinned for {pinned_s:.1f} s meanwhile"
    return status, said


def _reached(judging: Judging, loss: Loss) -> Finding:
    """Judge the lost region's share of attempts after its traffic must be gone."""
    window = _window(judging, loss.shifted_s, loss.end_s)
    every = judging.samples.of("client_answers")
    own = [one for one in every if one.region == loss.region]
    total = total_growth(every, window)
    tried = total_growth(own, window, siblings=every) if own else 0.0
    share = None if not total or tried is None else 100 * tried / total
    limit = 100 * float(judging.contract.drill.shifted_share_max)
    status: Status = "unknown" if share is None else "pass" if share < limit else "fail"
    reason = "no data" if share is None else "of the attempts went to the lost region"
    needed = ceil(100 / limit)
    if status == "pass" and total is not None and total < needed:
        # Fewer could not have shown a share of the limit.
        status, reason = "unknown", f"{total:.0f} attempts, {needed} are needed to decide"
    return Finding(
        slo="traffic_split",
        tier=None,
        phase="failed_over",
        region=loss.region,
        source="client",
        window=(window.start_s, window.end_s),
        threshold=limit,
        measured=None if share is None else round(share, 4),
        margin=None if share is None else round(limit - share, 4),
        unit="%",
        samples=None if total is None else round(total),
        status=status,
        reason=reason,
    )


def _rig(loss: Loss, dark: Blackout, limit_s: float) -> Finding:
    """Judge the rig's own blackout. If it is too long, or unseen, nothing else is known."""
    worst = dark.worst
    reason = "no process of the rig was pinned"
    if worst is not None:
        lag = "over every edge" if worst.lag_s == float("inf") else f"up to {worst.lag_s:g} s"
        parts = [
            f"{span.pinned_s:.1f} s within {span.start_s - loss.start_s:.1f} to "
            f"{span.end_s - loss.start_s:.1f} s"
            for span in dark.spans
        ]
        who = f"{worst.component} {worst.instance}".rstrip()
        more = f" and {len(parts) - SPANS_MAX} times more" if len(parts) > SPANS_MAX else ""
        reason = (
            f"the rig itself was pinned {', '.join(parts[:SPANS_MAX])}{more} after the loss; "
            f"longest {who}, beats {lag} late"
        )
    status: Status = "pass" if dark.seconds <= limit_s else "unknown"
    if dark.unseen:
        status, reason = "unknown", f"no data of {', '.join(dark.unseen)}"
    return _finding(
        "rig_blackout", loss, status, _seconds(dark), limit_s, "s", source="rig",
        reason=reason, region=None,
    )  # fmt: skip


def _seconds(dark: Blackout) -> float | None:
    """How long the rig was pinned; None if a part of it was not observed (never zero)."""
    return None if dark.unseen else round(dark.seconds, 3)


def _finding(
    slo: str,
    loss: Loss,
    status: Status,
    measured: float | None,
    threshold: float | None,
    unit: str,
    samples: int | None = None,
    *,
    reason: str,
    source: str = "client",
    region: str | None = "",
) -> Finding:
    margin = None if measured is None or threshold is None else round(threshold - measured, 3)
    return Finding(
        slo=slo,
        tier=None,
        phase="loss",
        region=loss.region if region == "" else region,
        source=source,
        window=(loss.start_s, loss.shifted_s),
        threshold=threshold,
        measured=measured,
        margin=margin,
        unit=unit,
        samples=samples,
        status=status,
        reason=reason,
    )


def _document(
    loss: Loss, failing: Failing | None, counts: _Counts, dark: Blackout
) -> dict[str, Any]:
    return {
        "region": loss.region,
        "fault": loss.fault,
        "lost_at": loss.start_s,
        "judged_from": loss.shifted_s,
        "rto_s": None if failing is None else round(failing.seen_s, 3),
        "streams_open": counts.streams_open,
        "streams_broken": counts.broken,
        "streams_broken_elsewhere": counts.broken_elsewhere,
        "attempts": counts.attempts,
        "attempts_failed": counts.failed,
        "rig": {
            "blackout_s": _seconds(dark),
            "spans": [
                {
                    "from": round(span.start_s, 3),
                    "to": round(span.end_s, 3),
                    "pinned_s": round(span.pinned_s, 3),
                }
                for span in dark.spans
            ],
            "pinned": [
                {
                    "component": one.component,
                    "instance": one.instance,
                    "from": round(one.start_s, 3),
                    "to": round(one.end_s, 3),
                    "pinned_s": round(one.pinned_s, 3),
                    "lag_s": None if one.lag_s == float("inf") else one.lag_s,
                }
                for one in dark.pinned
            ],
            "unseen": list(dark.unseen),
        },
    }


def _window(judging: Judging, start_s: float, end_s: float) -> Window:
    return Window(start_s, end_s, judging.stale_s, judging.absences)
