"""A drill's phases as windows, from its ledger's events.

Consecutive phases share the moment at which one ends and the next begins. A phase that is too short
for the smallest sample size of a rule is merged into the next one of the same tier; the last one is
merged into the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.samples.windows import Absence, Window

STOPPING = frozenset({"region_power", "region_loss"})
"""Faults that leave their region without processes, so that its series vanish.

For any other fault the ledger says so where it declares it (`stops_region`); older ledgers do not.
"""


@dataclass(frozen=True)
class Phase:
    """One phase: judged by `tier` (None: not judged); `start_s` and `end_s` since the epoch."""

    name: str
    tier: str | None
    start_s: float
    end_s: float
    complete: bool


def phases_of(events: Iterable[Mapping[str, Any]]) -> tuple[Phase, ...]:
    """Return the phases in order; one without an end ends with the ledger and is not complete."""
    found: list[Phase] = []
    running: tuple[str, str | None, float] | None = None
    last_s = 0.0
    for event in events:
        last_s = max(last_s, float(event["t"]))
        if event["event"] == "phase_started":
            if running is not None:
                found.append(Phase(*running, end_s=float(event["t"]), complete=False))
            running = (str(event["phase"]), event.get("tier"), float(event["t"]))
        elif event["event"] == "phase_ended" and running is not None:
            complete = event.get("outcome") == "ok"
            found.append(Phase(*running, end_s=float(event["t"]), complete=complete))
            running = None
    if running is not None:
        found.append(Phase(*running, end_s=last_s, complete=False))
    return _joined(found)


def absences_of(events: Iterable[Mapping[str, Any]], margin_s: float) -> tuple[Absence, ...]:
    """When regions, or some of their processes (`part`), were stopped, as the drill declared it.

    `margin_s` allows for scrapes around it.
    """
    dark: dict[str, float] = {}
    replaced: dict[tuple[str, object], float] = {}
    found: list[Absence] = []
    stopping = set(STOPPING)
    for event in events:
        region = str(event.get("region", ""))
        _note_stopping(event, stopping)
        stops = event.get("fault") in stopping
        # The declaration comes before the fault: what is stopped may vanish from then on.
        if event["event"] == "fault_declared" and stops:
            dark.setdefault(region, float(event["t"]))
        elif event["event"] == "fault_declared" and event.get("replaces_processes") is True:
            replaced.setdefault((region, event.get("fault")), float(event["t"]))
        elif event["event"] == "fault_reverted" and (region, event.get("fault")) in replaced:
            since_s = replaced.pop((region, event.get("fault")))
            found.append(Absence(region, since_s, float(event["t"]) + margin_s, part=True))
        elif event["event"] in ("region_lit", "fault_reverted") and region in dark:
            if event["event"] == "fault_reverted" and not stops:
                continue
            found.append(Absence(region, dark.pop(region), float(event["t"]) + margin_s))
    found.extend(Absence(region, start_s, float("inf")) for region, start_s in dark.items())
    found.extend(
        Absence(region, start_s, float("inf"), part=True)
        for (region, _), start_s in replaced.items()
    )
    return tuple(found)


def dark_hold_s(events: Iterable[Mapping[str, Any]]) -> float:
    """How long a region was held dark, in seconds: from when it was observed dark to its
    restart.
    """
    since_s: float | None = None
    held_s = 0.0
    stopping = set(STOPPING)
    for event in events:
        _note_stopping(event, stopping)
        kind, ended = event["event"], event.get("phase") == "dark"
        if kind == "region_dark" and since_s is None:
            since_s = float(event["t"])
        elif since_s is not None and (
            kind == "region_lit"
            or (kind == "phase_ended" and ended)
            or (kind == "fault_reverted" and event.get("fault") in stopping)
        ):
            held_s, since_s = max(held_s, float(event["t"]) - since_s), None
    return held_s


def _note_stopping(event: Mapping[str, Any], stopping: set[str]) -> None:
    """Add the fault of `event` if it is declared as one that stops its region."""
    if event["event"] == "fault_declared" and event.get("stops_region") is True:
        stopping.add(str(event.get("fault")))


def merged(
    phases: Sequence[Phase],
    stale_s: float,
    absences: tuple[Absence, ...],
    enough: Callable[[Window], bool],
) -> list[tuple[str, Window]]:
    """Return the stretches to judge: phases that are long enough, or are merged until they are."""
    found: list[tuple[str, Window]] = []
    names: list[str] = []
    start_s = 0.0
    for phase in phases:
        if not names:
            start_s = phase.start_s
        names.append(phase.name)
        window = Window(start_s, phase.end_s, stale_s, absences)
        if enough(window):
            found.append(("+".join(names), window))
            names = []
    if names:
        if found:
            last_name, last = found.pop()
            window = Window(last.start_s, phases[-1].end_s, stale_s, absences)
            found.append(("+".join([last_name, *names]), window))
        else:
            found.append(("+".join(names), Window(start_s, phases[-1].end_s, stale_s, absences)))
    return found


def _joined(phases: list[Phase]) -> tuple[Phase, ...]:
    """Close gaps, so that no time between two phases stays unjudged."""
    joined: list[Phase] = []
    for index, phase in enumerate(phases):
        follows = phases[index + 1] if index + 1 < len(phases) else None
        end_s = follows.start_s if follows is not None else phase.end_s
        joined.append(Phase(phase.name, phase.tier, phase.start_s, end_s, phase.complete))
    return tuple(joined)
