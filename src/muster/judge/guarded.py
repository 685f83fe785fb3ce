"""Decides from the ledger whether a live watchdog guarded the drill until its last effect.

The guard's duty ends with the event `watchdog` of state `released`: everything is restored or was
tried, and the load has ended. Later events (judging, writing the report, a process that dies) do
not change this. Ledgers from before this state existed say `alive_at_end`, or `alive` if the drill
had not yet written its last line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

EFFECTS = frozenset({"phase_started", "load_started", "fault_declared", "fault_applied", "step"})
"""Events of a drill that can still change something."""


def duty_over(events: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the guard's duty had ended, so that the evidence is complete."""
    return any(_state(event) == "released" for event in events)


def guard_faults(events: Iterable[Mapping[str, Any]], *, ended: bool) -> list[str]:
    """Return what contradicts it, one line each; `ended`: the drill has written its last line."""
    known = list(events)
    states = [state for event in known if (state := _state(event)) is not None]
    if "released" not in states:
        wanted = "alive_at_end" if ended else "alive"
        guarded = states[:1] == ["started"] and states[-1] == wanted
    else:
        guarded = states == ["started", "released"]
    faults = []
    if not guarded:
        faults.append("ledger.jsonl: the drill was not guarded by a live watchdog throughout")
    later = _after_release(known)
    if later:
        faults.append(f"ledger.jsonl: event {later[0]} after the guard's duty had ended")
    return faults


def _after_release(events: list[Mapping[str, Any]]) -> list[str]:
    released = False
    found = []
    for event in events:
        if released and event.get("event") in EFFECTS:
            found.append(str(event.get("event")))
        released = released or _state(event) == "released"
    return found


def _state(event: Mapping[str, Any]) -> str | None:
    return str(event.get("state")) if event.get("event") == "watchdog" else None
