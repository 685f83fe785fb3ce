"""A gate's own rules on its baseline: circuits, and failover actions as the steering records show.

- A circuit keeps its last state over a gap, but it may have been open for as long as no sample
  shows it closed. To pass, two samples that show it closed must never be further apart than the
  limit.
- Weights are read from the records themselves, not from what a drill claims to have done; a stretch
  in which they were not read is unknown. If new streams leave a region that is in rotation, its
  health checks failed it over, which is an action too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from muster.contract.model import Contract, Gate
from muster.judge.declared import as_declared
from muster.judge.findings import Finding
from muster.samples.counting import Status
from muster.samples.series import Array, Samples, Series
from muster.samples.windows import Window, at, total_growth

STEERING_SIGNAL = "steering_weight"
UNREAD_GAPS_MAX = 2
LEFT_ATTEMPTS_MIN = 100
TOO_FEW = -1


def judge_gate_rules(
    samples: Samples,
    window: Window,
    phase: str,
    contract: Contract,
    gate: Gate,
    time_scale: float,
    declared: Mapping[str, str] = MappingProxyType({}),
) -> list[Finding]:
    """The rules that `gate` has besides its tier's; none if it has none.

    `declared`: signals that the platform does not have, with the reasons.
    """
    found: list[Finding] = []
    if gate.circuit_open_s_max is not None:
        limit_s = gate.circuit_open_s_max / time_scale
        open_s, reason = _open_s_max(samples, window, limit_s)
        circuit = _finding("circuit_open", "server", phase, window, limit_s, open_s, "s", reason)
        none = declared.get("circuit_open")
        if none is not None and not samples.of("circuit_open"):
            circuit = as_declared(circuit, none)
        found.append(circuit)
    if gate.failover_actions_in_baseline_max is not None:
        most = float(gate.failover_actions_in_baseline_max)
        changes, reason = _failover_actions(samples, window, contract, time_scale)
        name, source = "failover_action_in_baseline", "steering"
        found.append(_finding(name, source, phase, window, most, changes, "changes", reason))
    return found


def _open_s_max(samples: Samples, window: Window, limit_s: float) -> tuple[float | None, str]:
    """The longest that any circuit was open within `window`, in seconds; a reason if unknown."""
    series = samples.of("circuit_open")
    if not series:
        return None, "no data"
    longest, reason = 0.0, ""
    for one in series:
        t, v = _inside(one, window)
        if len(t) == 0:
            reason = f"no sample of {one.region}"
            continue
        since_s: float | None = None
        closed_s = window.start_s
        for t_s, value in [*zip(t.tolist(), v.tolist(), strict=True), (window.end_s, 0.0)]:
            if since_s is not None and t_s <= t[-1]:
                longest = max(longest, t_s - since_s)
            since_s = None if value <= 0 else t_s if since_s is None else since_s
            if value <= 0:
                gone = window.absent(one.region, (closed_s + t_s) / 2)
                if t_s - closed_s > limit_s and not gone:
                    reason = f"in {one.region} no sample shows it closed for {t_s - closed_s:.0f} s"
                closed_s = t_s
    return longest, "" if longest > limit_s else reason


def _failover_actions(
    samples: Samples, window: Window, contract: Contract, time_scale: float
) -> tuple[float | None, str]:
    """How often any region's weight changed, or new streams left it; a reason if unknown."""
    changes, reason = _weight_changes(samples, window)
    if changes is None:
        return None, reason
    minute_s = contract.triggers.window_s / time_scale
    unseen_max = contract.triggers.unknown_windows_max
    left, unseen, told = 0, 0, False
    since_s = window.start_s
    # A baseline that is shorter than a window is judged as a whole.
    for index in range(max(1, int((window.end_s - window.start_s) / minute_s))):
        end_s = min(window.end_s, window.start_s + (index + 1) * minute_s)
        minutes = Window(since_s, end_s, window.stale_s, window.absences)
        found = _regions_left(samples, minutes, float(contract.drill.shifted_share_max))
        if found == TOO_FEW:
            continue  # a small load needs a longer window to show it, or never does
        since_s = end_s
        unseen = 0 if found is not None else unseen + 1
        if unseen > unseen_max:
            reason = reason or "the split of new streams was not observed all the time"
        told, left = True, left + (found or 0)
    if not told:
        reason = (
            reason or f"under {LEFT_ATTEMPTS_MIN} attempts: too few to see traffic leave a region"
        )
    return changes + left, "" if changes or left else reason


def _regions_left(samples: Samples, window: Window, share_max: float) -> int | None:
    """Regions with weight that took next to none of the attempts; None: unknown; or TOO_FEW."""
    attempts = samples.of("client_attempts")
    weights = samples.of(STEERING_SIGNAL)
    grown: dict[str, float] = {}
    for one in weights:
        own = [series for series in attempts if series.region == one.region]
        count = total_growth(own, window, siblings=attempts)
        if count is None:
            return None
        grown[one.region] = count
    total = sum(grown.values())
    if total < LEFT_ATTEMPTS_MIN:
        return TOO_FEW
    shares = [at(one, window.start_s, UNREAD_GAPS_MAX * window.stale_s) for one in weights]
    in_rotation = [one.region for one, weight in zip(weights, shares, strict=True) if weight]
    return sum(grown[region] < share_max * total for region in in_rotation)


def _weight_changes(samples: Samples, window: Window) -> tuple[float | None, str]:
    """How often any region's weight changed within `window`."""
    series = samples.of(STEERING_SIGNAL)
    if not series:
        return None, "the steering records were not read"
    changes, reason = 0, ""
    gap_s_max = UNREAD_GAPS_MAX * window.stale_s
    for one in series:
        t, v = _inside(one, window)
        changes += int(np.count_nonzero(np.diff(v)))
        seen = [window.start_s, *t.tolist(), window.end_s]
        if len(t) == 0 or float(np.max(np.diff(seen))) > gap_s_max:
            reason = f"the records of {one.region} were not read all the time"
    return float(changes), reason


def _inside(series: Series, window: Window) -> tuple[Array, Array]:
    """Known samples within `window`, with the one before it."""
    good = ~np.isnan(series.v)
    t, v = series.t[good], series.v[good]
    first = max(0, int(np.searchsorted(t, window.start_s, "right")) - 1)
    last = int(np.searchsorted(t, window.end_s, "right"))
    if first < last and t[first] < window.start_s - window.stale_s:
        first += 1
    return np.maximum(t[first:last], window.start_s), v[first:last]


def _finding(
    slo: str,
    source: str,
    phase: str,
    window: Window,
    threshold: float,
    measured: float | None,
    unit: str,
    reason: str,
) -> Finding:
    over = measured is not None and measured > threshold
    status: Status = "fail" if over else "unknown" if reason or measured is None else "pass"
    return Finding(
        slo=slo,
        tier=None,
        phase=phase,
        region=None,
        source=source,
        window=(window.start_s, window.end_s),
        threshold=threshold,
        measured=measured,
        margin=None if measured is None else threshold - measured,
        unit=unit,
        samples=None,
        status=status,
        reason=reason,
    )
