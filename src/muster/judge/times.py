"""Judges how long a controlled evacuation took, where the target states limits for it.

`region_evacuation` of the target: `shift_s_max`, `drain_s_max`, `restore_s_max`, each optional. The
times are those that the drill recorded; one that has a limit and was not recorded is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster.judge.findings import Finding, observed
from muster.judge.phases import Phase
from muster.samples.counting import Status

PHASE_OF = {"shift": "evacuate", "drain": "drain", "restore": "restore"}
"""The phase that records each time."""


def judge_times(
    events: Iterable[Mapping[str, Any]], phases: Sequence[Phase], limits: Mapping[str, Any]
) -> list[Finding]:
    """A finding for each time with a limit; none for a drill that evacuates no region."""
    if not any(phase.name == "evacuate" for phase in phases):
        return []
    told = {str(e["name"]): e.get("value_s") for e in events if e["event"] == "timing"}
    return [
        _finding(name, told.get(f"{name}_s"), limits[f"{name}_s_max"])
        for name in PHASE_OF
        if limits.get(f"{name}_s_max") is not None
    ]


def _finding(name: str, took_s: Any, limit_s: Any) -> Finding:
    known = _number(took_s) and _number(limit_s)
    status: Status = "unknown" if not known else "pass" if took_s <= limit_s else "fail"
    reason = f"the target's region_evacuation.{name}_s_max"
    return observed(
        f"time_to_{name}",
        "ledger",
        status,
        reason if known else f"{reason}: this time was not recorded",
        measured=float(took_s) if known else None,
        threshold=float(limit_s) if _number(limit_s) else None,
        unit="s",
        phase=PHASE_OF[name],
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
