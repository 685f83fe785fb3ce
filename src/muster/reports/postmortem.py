"""The facts of a blameless postmortem's draft, from what the report shows. Pure.

Only what the bundle shows is stated. What it cannot know is left to a person, and the draft marks
it as a blank. People are never named: an operator is an operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muster.reports.findings import worst_by_slo
from muster.reports.model import FindingRow, View
from muster.reports.numbers import NO_DATA, count, quantity, seconds
from muster.reports.sentences import finding_clause
from muster.reports.words import plural

NARROW = 0.1
"""A pass with less than this share left of what its limit allows could as well have been a miss."""
_LISTED_MAX = 8


@dataclass(frozen=True)
class Action:
    """What a miss asks for. Type, owner, priority, ticket and date are for a person."""

    cause: str
    what: str


@dataclass(frozen=True)
class Draft:
    """The parts of a postmortem that the bundle can fill, as sentences or rows."""

    impact: tuple[tuple[str, str], ...]
    trigger: tuple[str, ...]
    detection: tuple[str, ...]
    well: tuple[str, ...]
    wrong: tuple[str, ...]
    lucky: tuple[str, ...]
    factors: tuple[str, ...]
    actions: tuple[Action, ...]


def draft(view: View) -> Draft:
    """The draft of one drill."""
    return Draft(
        impact=_impact(view),
        trigger=_trigger(view),
        detection=_detection(view),
        well=_well(view),
        wrong=_wrong(view),
        lucky=_lucky(view.findings),
        factors=_factors(view),
        actions=_actions(view),
    )


def _impact(view: View) -> tuple[tuple[str, str], ...]:
    harm = view.hurt
    if harm is None:
        return (("Attempts hurt", NO_DATA),)
    rows = [
        ("Attempts while the drill changed things", count(harm.attempts)),
        ("Rejected (429)", count(harm.rejected)),
        ("Failed (5xx, refused, reset, timed out, other 4xx)", count(harm.failed)),
        ("Streams broken, ended in an error, or empty", count(harm.broken)),
        ("Share of attempts hurt", quantity(harm.share, "share")),
        ("Slow to the first token", NO_DATA if harm.slow is None else count(harm.slow)),
    ]
    rows += [(fact.label, fact.value) for fact in view.timings if "budget" in fact.label]
    return tuple(rows)


def _trigger(view: View) -> tuple[str, ...]:
    begun = [mark for mark in view.marks if mark.kind in ("step", "fault")]
    said = ["The drill was planned and began what follows on purpose."]
    said += [f"{mark.label}." for mark in begun[:1]]
    said += [f"Fault {f.fault} in {f.region}, applied {f.applied}." for f in view.faults]
    defect = next((f.value for f in view.facts if f.label == "Planted defect"), "none")
    if defect not in ("none", NO_DATA):
        said.append(f"The defect {defect} was planted.")
    return tuple(said)


def _detection(view: View) -> tuple[str, ...]:
    fired = [trip for trip in view.trips if not trip.expected]
    trip = next((m for m in view.moments if m.label == "Trip"), None)
    if not fired or trip is None:
        return ("No trigger and no limit fired.",)
    first = fired[0]
    detail = f": {first.detail}" if first.detail else ""
    said = [f"The guard's {first.kind} {first.name} fired in {first.region}{detail}."]
    before = [m for m in view.marks if m.kind in ("step", "fault") and m.t_s < trip.t_s]
    if before:
        late = seconds(trip.t_s - before[-1].t_s)
        said.append(f"That was {late} after the last change before it ({before[-1].label}).")
    decision = next((m for m in view.moments if m.label == "Decision"), None)
    if decision is not None and decision.t_s >= trip.t_s:
        said.append(f"From the sample to the decision: {seconds(decision.t_s - trip.t_s)}.")
    return tuple(said)


def _well(view: View) -> tuple[str, ...]:
    said = []
    held = sum(row.status == "pass" for row in view.findings)
    if held:
        said.append(f"{held} of {plural(len(view.findings), 'finding')} hold.")
    said += [
        f"The effect of {f.fault} in {f.region} was verified." for f in view.faults if f.proven
    ]
    at = {moment.label: moment.t_s for moment in view.moments}
    end = at.get("Split back", at.get("Changes back"))
    if "Trip" in at and end is not None:
        said.append(f"Everything was back {seconds(end - at['Trip'])} after the trip.")
    if view.undo.verified:
        said.append("Everything that the drill changed was read back as it had been.")
    if view.against and view.against.last_passed and not view.against.regressions:
        said.append(f"Nothing got worse compared with {view.against.last_passed}.")
    return tuple(said)


def _wrong(view: View) -> tuple[str, ...]:
    said = [f"{finding_clause(row)}." for row in view.failures[:_LISTED_MAX]]
    more = len(view.failures) - _LISTED_MAX
    if more > 0:
        said.append(f"{plural(more, 'more finding')} missed.")
    said += [
        f"{f.fault} in {f.region} has no verified effect." for f in view.faults if not f.proven
    ]
    if view.undo.verified is False:
        said.append("Not everything that the drill changed is back.")
    if view.against:
        last = view.against.last_passed
        behind = view.against.regressions[:_LISTED_MAX]
        said += [f"Worse than in {last}, the last drill that passed: {r.line}." for r in behind]
    if view.unknowns:
        said.append(f"{plural(len(view.unknowns), 'thing')} stayed unknown, listed above.")
    return tuple(said)


def _lucky(rows: Sequence[FindingRow]) -> tuple[str, ...]:
    narrow = [
        row
        for row in rows
        if row.status == "pass"
        and row.margin_relative is not None
        and 0 <= row.margin_relative < NARROW
        and row.is_service_level
    ]
    return tuple(
        f"{finding_clause(row)}: less than {NARROW:.0%} of what it allows was left."
        for row, _ in worst_by_slo(narrow)
    )


def _factors(view: View) -> tuple[str, ...]:
    said = [
        f"{row.rejected} attempts were rejected in {row.region} ({row.share} there): {row.causes}."
        for row in view.rejected
    ]
    said += [
        f"{row.region} took {row.before} streams before, {row.least} at the lowest."
        for row in view.capacity
        if row.before != row.least
    ]
    return tuple(said)


def _actions(view: View) -> tuple[Action, ...]:
    found = [
        Action(row.title, f"Find out why, and mend: {finding_clause(row)}")
        for row, _ in worst_by_slo(view.failures)
    ]
    found += [
        Action(f"Fault {f.fault}", f"Find out why its effect in {f.region} is not verified")
        for f in view.faults
        if not f.proven
    ]
    if view.undo.verified is False:
        found.append(Action("Rollback", "Put back what is not back, and find out why"))
    return tuple(found)
