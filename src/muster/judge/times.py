"""Judges how long something took against the target's own limit for it, by the ledger alone.

`region_evacuation` of the target states `shift_s_max`, `drain_s_max` and `restore_s_max`, each
optional. `dns_stale.rto_s_max` is no choice: it is what judges stale answers. A time counts only in
the phase that records it; one that has a limit and was not recorded there is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from muster.judge.findings import Finding, observed
from muster.judge.phases import Phase
from muster.numbers import is_number
from muster.samples.counting import Status

PHASE_OF = {"shift": "evacuate", "drain": "drain", "restore": "restore"}
"""The phase that records each time of an evacuation."""
CAUGHT_UP = "caught_up"
"""The phase in which new streams follow the weights again after stale answers."""
Events = Iterable[Mapping[str, Any]]


def judge_times(
    events: Events, phases: Sequence[Phase], limits: Mapping[str, Any]
) -> list[Finding]:
    """A finding for each time with a limit; none for a drill that evacuates no region."""
    if not any(phase.name == "evacuate" for phase in phases):
        return []
    told = list(_told(events))
    return [
        _finding(
            f"time_to_{name}",
            _longest(told, phase, f"{name}_s"),
            limits[f"{name}_s_max"],
            f"the target's region_evacuation.{name}_s_max",
            phase,
        )
        for name, phase in PHASE_OF.items()
        if limits.get(f"{name}_s_max") is not None
    ]


def judge_caught_up(
    events: Events, phases: Sequence[Phase], limits: Mapping[str, Any]
) -> list[Finding]:
    """The finding of a drill that had stale answers; unknown without a time or a limit."""
    if not any(phase.name == CAUGHT_UP for phase in phases):
        return []
    took_s = _longest(list(_told(events)), CAUGHT_UP, "caught_up_s")
    reason = "from the end of stale answers until new streams followed the weights"
    return [_finding("rto", took_s, limits.get("rto_s_max"), reason, CAUGHT_UP)]


def _told(events: Events) -> Iterator[tuple[str, str, Any]]:
    """Every time that was recorded: the phase that had begun last, its name, its value."""
    now = ""
    for event in events:
        if event["event"] == "phase_started":
            now = str(event["phase"])
        elif event["event"] == "timing":
            yield now, str(event["name"]), event.get("value_s")


def _longest(told: Sequence[tuple[str, str, Any]], phase: str, name: str) -> float | None:
    """The longest time of that name in the phase; None if there is none, or one is no time."""
    values = [value for where, what, value in told if (where, what) == (phase, name)]
    if not values or not all(_seconds(value) for value in values):
        return None
    return max(float(value) for value in values)


def _finding(slo: str, took_s: float | None, limit_s: Any, reason: str, phase: str) -> Finding:
    limit = float(limit_s) if _seconds(limit_s) else None
    missing = "" if took_s is not None else ": this time was not recorded"
    missing = missing if limit is not None else ": the target names no limit"
    status: Status = "unknown"
    if took_s is not None and limit is not None:
        status = "pass" if took_s <= limit else "fail"
    return observed(
        slo,
        "ledger",
        status,
        f"{reason}{missing}",
        measured=took_s,
        threshold=limit,
        unit="s",
        phase=phase,
    )


def _seconds(value: Any) -> bool:
    return is_number(value) and value >= 0
