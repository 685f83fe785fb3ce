"""Judges what follows an outage that no platform can bridge: how soon users are served again.

The outage itself is judged by nothing. From its end (the fault's revert) on the target's own limit
counts: until no more than the contract's shifted share of the attempts fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.judge.evaluate import Judging
from muster.judge.failing import failing_until
from muster.judge.findings import Finding, observed
from muster.judge.phases import Phase
from muster.samples.counting import Status
from muster.samples.rates import FAILED_5XX
from muster.samples.windows import Window, total_growth

OUTAGE = "outage"
"""The phase of the outage; its fault is reverted within it."""


def judge_outage(
    judging: Judging,
    phases: Sequence[Phase],
    events: Sequence[Mapping[str, Any]],
    objective: Mapping[str, Any],
) -> tuple[list[Finding], dict[str, Any] | None]:
    """The finding `rto`, and the verdict's `outage`; nothing for a drill without an outage."""
    phase = next((one for one in phases if one.name == OUTAGE), None)
    if phase is None:
        return [], None
    limit_s = objective.get("rto_s_max")
    reverted = next(
        (
            event
            for event in events
            if event["event"] == "fault_reverted"
            and phase.start_s <= float(event["t"]) <= phase.end_s
        ),
        None,
    )
    if reverted is None or not isinstance(limit_s, int | float):
        missing = "the target names no dns_outage.rto_s_max"
        reason = "the outage was not ended in its phase" if reverted is None else missing
        return [_rto("unknown", None, None, reason)], None
    start_s = float(reverted["t"])
    end_s = max(one.end_s for one in phases if one.start_s >= phase.start_s)
    share_max = float(judging.contract.drill.shifted_share_max)
    window = Window(start_s, end_s, judging.stale_s, judging.absences)
    failing = failing_until(judging.samples, window, share_max, judging.scrape_s)
    said = f"from the outage's end to the last second with over {100 * share_max:g} % failing"
    status: Status = "unknown"
    seen_s = None if failing is None else failing.worst_s
    if failing is None:
        said = "no data"
    elif failing.worst_s <= limit_s:
        status = "pass"
    elif failing.seen_s > limit_s:
        status, seen_s = "fail", failing.seen_s
    else:
        said += f"; data is missing for seconds up to {failing.worst_s:.0f} s"
    return [_rto(status, seen_s, float(limit_s), said)], {
        "fault": str(reverted.get("fault")),
        "began_at": phase.start_s,
        "ended_at": start_s,
        "rto_s": None if seen_s is None else round(seen_s, 3),
        **_attempts(judging, phase.start_s, start_s),
    }


def _attempts(judging: Judging, start_s: float, end_s: float) -> dict[str, float | None]:
    """What the load's clients attempted in the outage, and how many of it failed."""
    window = Window(start_s, end_s, judging.stale_s, judging.absences)
    every = judging.samples.of("client_attempts")
    failed = [one for one in every if one.labels.get("outcome") in FAILED_5XX]
    return {
        "attempts": total_growth(every, window),
        "attempts_failed": total_growth(failed, window, siblings=every),
    }


def _rto(status: Status, measured: float | None, limit_s: float | None, reason: str) -> Finding:
    return observed(
        "rto", "client", status, reason,
        measured=measured, threshold=limit_s, unit="s", phase=OUTAGE,
    )  # fmt: skip
