"""What is refused before anything is locked or started, by the files and this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from muster.clock import SYSTEM_CLOCK, utc
from muster.drill.plan.capacity import capacity_of
from muster.drill.plan.cost import over_budget
from muster.drill.plan.outline import Step, steps_of
from muster.drill.plan.plan import DrillPlan
from muster.drill.plan.reach import outside
from muster.errors import BadInput, DrillAborted, MusterError
from muster.platform import platform_of
from muster.platform.port import Unusable
from muster.targets import Target
from muster.targets.calendar import blocked, next_start, shown


def permit(plan: DrillPlan) -> tuple[Step, ...]:
    """The drill's steps, if its target allows them now. Raises BadInput or DrillAborted."""
    steps = steps_of(
        platform_of(plan.target), plan.method, plan.time_scale, held=plan.holds_connections
    )
    for _, error in objections(plan, steps):
        raise error
    return steps


def objections(plan: DrillPlan, steps: tuple[Step, ...]) -> Iterator[tuple[str, MusterError]]:
    """All that speaks against the drill, each by a name; preflight's own where it checks it too."""
    if (bad := unusable_of(steps)) is not None:
        yield "settings", BadInput(plan.target_file, bad.key, bad.value, bad.wanted)
    if wrong := reach_of(plan.target, steps):
        said = f"{plan.target_file}: {wrong}"
        yield "blast_radius", DrillAborted("preflight:blast_radius", said)
    if wrong := unconfirmed(plan):
        yield "confirm", BadInput("configuration", "confirm", plan.settings.confirm, wrong)
    if wrong := closed(plan.target):
        said = f"target {plan.target.name}: {wrong}"
        yield "calendar", DrillAborted("preflight:calendar", said)
    try:
        capacity_of(plan)
    except BadInput as error:
        yield "capacity", error
    if (over := over_budget(plan)) is not None:
        yield "budget", over


def unusable_of(steps: tuple[Step, ...]) -> Unusable | None:
    """The first setting that `steps` need and that cannot work on this machine, or None."""
    found = (fault.unusable() for step in steps for fault in step.faults)
    return next((one for one in found if one is not None), None)


def reach_of(target: Target, steps: tuple[Step, ...]) -> str:
    """What of `steps` the target's blast radius does not allow; empty if it allows all."""
    for step in steps:
        for fault in step.faults:
            if wrong := outside(target, fault):
                return wrong
            if fault.stops_region and target.blast_radius.regions_dark_max < 1:
                return "blast_radius.regions_dark_max allows no dark region"
    return ""


def unconfirmed(plan: DrillPlan) -> str:
    """What must be confirmed: production must be named once more."""
    target = plan.target
    if target.class_ == "production" and plan.settings.confirm != target.name:
        return f"{target.name}, since that target is production (--var confirm={target.name})"
    return ""


def closed(target: Target, at: datetime | None = None) -> str:
    """Why the calendar allows no drill at `at` (now), and when it will; empty if it does."""
    moment = at or utc(SYSTEM_CLOCK)
    why = blocked(target.calendar, moment)
    if not why or target.calendar is None:
        return ""
    following = next_start(target.calendar, moment)
    when = "in no foreseeable time" if following is None else shown(following, target.calendar)
    return f"{why}; a drill may begin next: {when}"
