"""Judges faults that a drill began in one phase and ended in another, from its ledger.

The ledger's start says where each of them was planned. The phase that begins it must declare it
there, the phase that ends it must revert it there, and the looks must have gone on from the one to
the other. A fault that only a step of the drill can meet says so where it is declared (`met_by`),
and a step must have met it. Whatever of this is missing is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from muster.judge.findings import Finding, unmeasured
from muster.judge.phases import Phase

BEGIN, END = "begin_", "end_"
"""How the phases are named, before the name of their fault."""
SLACK_S = 1.0
"""By so much the looks may be shorter than the phases between: clocks of two kinds are compared."""
Event = Mapping[str, Any]


def fault_around(phase: str | None) -> str:
    """The fault that the phase begins or ends; empty if it does neither."""
    name = phase or ""
    return next((name.removeprefix(one) for one in (BEGIN, END) if name.startswith(one)), "")


def around_faults(
    started: Event, phases: Sequence[Phase], events: Sequence[Event]
) -> list[Finding]:
    """Return an unknown finding for each fault around others that is not whole in the ledger."""
    planned = started.get("begins")
    places = planned if isinstance(planned, Mapping) else {}
    by_phase = _by_phase(events)
    names = dict.fromkeys(
        [*map(str, places), *(fault for one in phases if (fault := fault_around(one.name)))]
    )
    found = []
    for fault in names:
        region = places.get(fault)
        wrong = "it was not planned, or it is not recorded where"
        if fault in places:
            wrong = next(_wrong(fault, region, phases, by_phase), "")
        if wrong:
            place = region if isinstance(region, str) else None
            found.append(unmeasured("fault_proof", fault, "unknown", wrong, region=place))
    return found


def _wrong(
    fault: str,
    region: object,
    phases: Sequence[Phase],
    by_phase: Mapping[str, Sequence[Event]],
) -> Iterator[str]:
    """What is missing of one fault around others, the first thing first."""
    begin = next((one for one in phases if one.name == BEGIN + fault), None)
    end = next((one for one in phases if one.name == END + fault), None)
    if begin is None or not begin.complete:
        yield f"{BEGIN}{fault} was not completed"
        return
    if end is None or not end.complete or end.start_s < begin.end_s:
        yield f"{END}{fault} was not completed after it was begun"
        return
    for phase, kind in (
        (begin, "fault_declared"),
        (begin, "fault_applied"),
        (end, "fault_reverted"),
    ):
        places = [
            one.get("region")
            for one in by_phase.get(phase.name, ())
            if one["event"] == kind and one.get("fault") == fault
        ]
        if places != [region]:
            yield f"{phase.name}: {kind} in {places}, planned was {region}"
    between_s = end.start_s - begin.end_s - SLACK_S
    looks = (
        one["proof"].get("held_s")
        for one in by_phase.get(end.name, ())
        if one["event"] == "fault_proof"
        and (one.get("fault"), one.get("region")) == (fault, region)
        and isinstance(one.get("proof"), Mapping)
    )
    if not any(isinstance(held_s, int | float) and held_s >= between_s for held_s in looks):
        yield f"no look is on record for the {between_s + SLACK_S:.0f} s between the two"
    yield from _unmet(fault, begin, end, by_phase)
    early = [
        name
        for name, own in by_phase.items()
        for one in own
        if one["event"] in ("fault_reverted", "fault_declared")
        and (one.get("fault"), one.get("region")) == (fault, region)
        and begin.end_s <= float(one["t"]) < end.start_s
    ]
    if early:
        yield f"it was reverted or declared anew in {early[0]}, while it was to go on"


def _unmet(
    fault: str, begin: Phase, end: Phase, by_phase: Mapping[str, Sequence[Event]]
) -> Iterator[str]:
    """What is missing of the event that its declaration wants on record while it went on."""
    for declared in by_phase.get(begin.name, ()):
        if declared["event"] != "fault_declared" or declared.get("fault") != fault:
            continue
        met_by = declared.get("met_by")
        if not isinstance(met_by, str):
            yield f"{begin.name}: fault_declared does not say by what a step meets it (met_by)"
        elif met_by and not any(
            one["event"] == met_by and begin.end_s <= float(one["t"]) < end.start_s
            for own in by_phase.values()
            for one in own
        ):
            yield f"no {met_by} is on record between the two: nothing of the drill met it"


def _by_phase(events: Sequence[Event]) -> Mapping[str, list[Event]]:
    """The events of each phase, by its name; those of no phase by an empty one."""
    found: dict[str, list[Event]] = {}
    now = ""
    for event in events:
        if event["event"] == "phase_started":
            now = str(event["phase"])
        elif event["event"] == "phase_ended":
            now = ""
        else:
            found.setdefault(now, []).append(event)
    return found
