"""Checks that a ledger's kind, plan and events agree with each other.

Each of them says what the drill was. If somebody edits one of them so that less is required of the
drill, the others contradict it:

- an unknown kind makes the verdict unknown;
- so does a phase that was executed but not planned, and an effect outside the phases that may have
  it (a region that went dark in a baseline was not planned);
- a phase that removes a region, but in which no region was observed dark, proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from muster.judge.around import BEGIN, fault_around
from muster.judge.findings import Finding, unmeasured
from muster.judge.phases import Phase

KINDS = ("failover", "experiment", "gate", "safety")
DARK_PHASES = frozenset({"dark", "loss"})
"""Phases that remove a whole region."""
FAULT_PHASES = DARK_PHASES | {"fault", "shift", "outage", "stale"}
EFFECTS: Mapping[str, frozenset[str]] = {
    "fault_declared": FAULT_PHASES,
    "fault_applied": FAULT_PHASES,
    "region_dark": DARK_PHASES,
    "region_lost": DARK_PHASES,
    "step": frozenset({"evacuate", "restore", "shift", "shift_back", "stale"}),
}
"""The kinds of effect a drill has on a platform, and the phases in which each may occur."""


def kind_faults(
    started: Mapping[str, Any], phases: Sequence[Phase], events: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    """Return an unknown finding for each contradiction with the drill's own start."""
    kind = str(started["kind"])
    found: list[Finding] = []
    if kind not in KINDS:
        found.append(_unknown(None, f"no drill is of the kind {kind}"))
    names = [phase.name for phase in phases]
    plan = started.get("phases")
    if isinstance(plan, list):
        more = Counter(names) - Counter(str(name) for name in plan)
        found += [
            _unknown(name, "this phase was executed but not planned")
            for name in more
            if name != "preflight"
        ]
    found += _effects_outside(events)
    return found + _never_dark(phases, events)


def _effects_outside(events: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """One finding for each kind of effect in a phase that may not have it."""
    now: str | None = None
    outside: dict[tuple[str | None, str], None] = {}
    for event in events:
        kind = event["event"]
        if kind == "phase_started":
            now = str(event["phase"])
        elif kind == "phase_ended":
            now = None
        elif kind in EFFECTS and now not in EFFECTS[kind] and not _begins(now, event):
            outside[now, kind] = None
    return [
        _unknown(name, f"{kind} outside {_listed(sorted(EFFECTS[kind]))}") for name, kind in outside
    ]


def _begins(phase: str | None, event: Mapping[str, Any]) -> bool:
    """Whether the phase is the one that begins the event's own fault around others."""
    begun = fault_around(phase) if (phase or "").startswith(BEGIN) else ""
    return event["event"] in ("fault_declared", "fault_applied") and event.get("fault") == begun


def _listed(names: Sequence[str]) -> str:
    """The names as a sentence has them; every effect has at least two phases."""
    return " and ".join([", ".join(names[:-1]), names[-1]])


def _never_dark(phases: Sequence[Phase], events: Sequence[Mapping[str, Any]]) -> list[Finding]:
    moments = [
        (float(event["t"]), event["event"])
        for event in events
        if event["event"] in ("region_dark", "region_lost")
    ]
    return [
        unmeasured(
            "fault_proof",
            "ledger",
            "unknown",
            "no region was observed dark in this phase",
            phase=phase.name,
        )
        for phase in phases
        if phase.name in DARK_PHASES
        and not any(
            phase.start_s <= t_s <= phase.end_s
            # A region that its users lost is not dark.
            and (name == "region_dark" or phase.name == "loss")
            for t_s, name in moments
        )
    ]


def _unknown(name: str | None, reason: str) -> Finding:
    return unmeasured("phase_complete", "ledger", "unknown", reason, phase=name)
