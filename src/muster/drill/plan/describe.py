"""The plan of a drill as text, for the person who approves it."""

from __future__ import annotations

from collections.abc import Iterator

from muster import targets, testbed
from muster.drill.plan import cost, enough
from muster.drill.plan.capacity import capacity_of, too_much
from muster.drill.plan.outline import rows_of, steps_of
from muster.drill.plan.permit import closed, reach_of, unconfirmed, unusable_of
from muster.drill.plan.plan import DrillPlan
from muster.errors import BadInput
from muster.platform import platform_of
from muster.targets import Target
from muster.targets.declared import lines as lines_of_declared


def describe(plan: DrillPlan) -> list[str]:
    """The plan, line by line. Reads the target if it can be reached; changes nothing.

    Raises BadInput for what is unknown, or for an environment variable that is not set.
    """
    target = _reached(plan.target)
    steps = steps_of(platform_of(target or plan.target), plan.method, plan.time_scale)
    lines = list(_head(plan))
    if target is None:
        lines.append(f"testbed {plan.target.name} is not up: the values shown are its initial ones")
    for number, (step, rows) in enumerate(rows_of(steps, ask=target is not None), start=1):
        lines.append(f"{number:2} {step.name}: {step.what}")
        for row in rows:
            lines.append(f"     {row.subject}: {row.before} -> {row.after}")
            if row.undo:
                lines.append(f"       by hand: {row.undo}")
    lines.append("every change is written to the undo log before it is made; at the end, and if")
    lines.append("anything stops the drill, all are restored, last first, and each is read back")
    wrong = [reach_of(plan.target, steps), unconfirmed(plan), closed(plan.target), too_much(plan)]
    wrong.append(enough.too_few(plan))
    wrong.append(str(cost.over_budget(plan) or ""))
    if (bad := unusable_of(steps)) is not None:
        wrong.insert(0, str(BadInput(plan.target_file, bad.key, bad.value, bad.wanted)))
    refusals = [reason for reason in wrong if reason]
    lines += [f"REFUSED at present: {reason}" for reason in refusals]
    return lines


def _head(plan: DrillPlan) -> Iterator[str]:
    target, radius = plan.target, plan.target.blast_radius
    yield f"{plan.drill} on target {target.name} ({target.class_}), {plan.evidence} evidence"
    yield (
        f"load: {plan.profile.name} at scale {plan.settings.scale:g}, {plan.streams_target} "
        f"streams, seed {plan.settings.seed}, time scale {plan.time_scale:g}"
    )
    if not too_much(plan) and (holds := capacity_of(plan)) is not None:
        yield holds.line()
    yield (
        f"regions: {target.evacuate} is drilled, {', '.join(target.survivors)} must hold "
        f"{radius.streams_headroom_min:g} x the streams"
        + (f" and {radius.capacity_share_min:.0%} of all" if radius.capacity_share_min else "")
    )
    yield f"guard: {plan.gate.name}'s rollback triggers and limits, on every sample"
    if target.prometheus.delay_s:
        yield (
            f"samples: up to {target.prometheus.delay_s:g} s late (prometheus.delay_s), so the "
            "guard acts that much later, and every wait for samples is longer by it"
        )
    yield from lines_of_declared(target.declared)
    yield from enough.lines(plan)
    yield from cost.lines(plan)


def _reached(target: Target) -> Target | None:
    """The target with its endpoints; None for a testbed that is not up."""
    if target.class_ != "testbed":
        return targets.resolve(target)
    state = testbed.status(target.name)
    return None if state is None else targets.resolve(target, testbed=state.endpoints)
