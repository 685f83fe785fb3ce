"""Makes failures unknown in windows in which the rig broke its own limits.

The limits are the contract's: offered against scheduled arrivals, late starts, loop lag. A failed
finding in such a window is unknown, whatever its subject; a passed one stands. A longer window that
contains such a phase and fails is unknown too, unless another part of it fails by itself: if all
other parts hold, the rig caused the failure. A trigger that fired in such a window (`stop_fault`)
proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from muster.contract.model import LoadValidity
from muster.judge.findings import Finding
from muster.judge.phases import Phase
from muster.judge.rig import judge_rig
from muster.samples.series import Samples
from muster.samples.windows import Absence, Window

FIRED = ("trigger", "limit")


@dataclass
class RigFaults:
    """Whether the rig broke its limits, window by window."""

    samples: Samples
    rules: LoadValidity
    stale_s: float
    absences: tuple[Absence, ...] = ()
    _known: dict[tuple[float, float], str] = field(default_factory=dict)

    def within(self, start_s: float, end_s: float) -> str:
        """Which limit the rig broke between two moments, and by how much; empty if none."""
        key = (start_s, end_s)
        if key not in self._known:
            window = Window(*self._seen(start_s, end_s), self.stale_s, self.absences)
            self._known[key] = judge_rig(self.samples, window, "", self.rules).slow
        return self._known[key]

    def _seen(self, start_s: float, end_s: float) -> tuple[float, float]:
        """The window, extended to the load's next scrape if one of its ends lies in a gap.

        A load that stands still exports nothing meanwhile; what it did not do shows once it
        continues.
        """
        for one in self.samples.of("client_offered"):
            if not len(one.t):
                continue
            before = int(np.searchsorted(one.t, start_s, "right")) - 1
            if before >= 0 and start_s - one.t[before] > self.stale_s:
                start_s = float(one.t[before])
            last = int(np.searchsorted(one.t, end_s, "right")) - 1
            if last >= 0 and end_s - one.t[last] > self.stale_s and last + 1 < len(one.t):
                end_s = float(one.t[last + 1])
        return start_s, end_s


def excused(
    faults: RigFaults, phases: Sequence[Phase], findings: Iterable[Finding]
) -> list[Finding]:
    """Return `findings`; those that failed in a window in which the rig broke its limits are
    unknown.
    """
    own = [_excused(one, _own_fault(faults, phases, one)) for one in findings]
    return [
        one if _stands(one, own) else _excused(one, _inner_fault(faults, phases, one))
        for one in own
    ]


def _excused(finding: Finding, why: str) -> Finding:
    if finding.status != "fail" or not why:
        return finding
    return replace(
        finding, status="unknown", reason=f"{finding.reason or 'missed'}; the rig: {why}"
    )


def _own_fault(faults: RigFaults, phases: Sequence[Phase], finding: Finding) -> str:
    """What the rig broke in the finding's window, or in its phase if it names no window."""
    if finding.status != "fail":
        return ""
    window = finding.window or next(
        ((p.start_s, p.end_s) for p in phases if p.name == finding.phase), None
    )
    return faults.within(*window) if window is not None else ""


def _inner_fault(faults: RigFaults, phases: Sequence[Phase], finding: Finding) -> str:
    """What the rig broke in a phase within the finding's window."""
    if finding.status != "fail" or finding.window is None:
        return ""
    start_s, end_s = finding.window
    inside = [p for p in phases if start_s <= p.start_s < p.end_s <= end_s]
    found = ((p.name, faults.within(p.start_s, p.end_s)) for p in inside)
    return next((f"in {name} {why}" for name, why in found if why), "")


def _stands(finding: Finding, findings: Iterable[Finding]) -> bool:
    """Whether the same rule also fails within the finding's window while the rig was fit."""
    window = finding.window
    if window is None:
        return False
    return any(
        one.status == "fail"
        and one is not finding
        and (one.slo, one.source, one.region) == (finding.slo, finding.source, finding.region)
        and one.window is not None
        and window[0] <= one.window[0]
        and one.window[1] <= window[1]
        and one.window != window
        for one in findings
    )


def stop_fault(
    faults: RigFaults,
    phases: Sequence[Phase],
    events: Sequence[Mapping[str, Any]],
    window_s: float,
    lost_s: float | None = None,
) -> str:
    """Why the rig excuses what fired or failed the drill; empty if it stands, or if nothing did.

    A trigger or limit is excused by any of its windows, by one window's length (`window_s`) before
    them (the effects of a stalled rig last for a while), and by a phase that contains them, because
    failures of that phase are unknown too. Any other stop is examined from the start of its phase.
    If one of them stands, all do. From `lost_s` on, the abrupt loss of a region, other rules apply
    (`rig_excuse`).
    """
    trips = [e for e in events if e["event"] in FIRED and e.get("expected") is not True]
    stop = next((e for e in events if e["event"] == "stopped"), None)
    if stop is not None and stop.get("verdict") != "FAIL":
        return ""
    moments = [_moment(event) for event in (*trips, stop) if event is not None]
    if lost_s is not None and any(t_s >= lost_s for t_s in moments):
        return ""
    causes = [(f"{e['event']}:{e.get(e['event'])}", _windows(e, window_s, phases)) for e in trips]
    if stop is not None and str(stop.get("by")) not in {by for by, _ in causes}:
        causes.append((str(stop.get("by")), [_phase_until(phases, stop)]))
    said = []
    for by, windows in causes:
        why = next((fault for window in windows if (fault := faults.within(*window))), "")
        if not why:
            return ""
        said.append(f"{by}: the rig: {why}")
    return "; ".join(dict.fromkeys(said))


def _windows(
    trip: Mapping[str, Any], window_s: float, phases: Sequence[Phase]
) -> list[tuple[float, float]]:
    t_s = _moment(trip)
    windows = [(float(a), float(b)) for a, b in trip.get("windows") or ()] or [(t_s, t_s)]
    first_s = min(start_s for start_s, _ in windows)
    own = [(a, b) for a, b in windows if b > a]
    spans = [(p.start_s, p.end_s) for p in phases if p.start_s < t_s and p.end_s > first_s]
    return [*own, (first_s - window_s, first_s), *spans]


def _phase_until(phases: Sequence[Phase], stop: Mapping[str, Any]) -> tuple[float, float]:
    t_s = _moment(stop)
    begun = [phase.start_s for phase in phases if phase.start_s < t_s]
    return max(begun, default=t_s), t_s


def _moment(event: Mapping[str, Any]) -> float:
    return float(event.get("t_trip", event["t"]))
