"""The plan of a drill as text, for the person who approves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from muster import targets, testbed
from muster.drill.plan import cost, enough
from muster.drill.plan.capacity import capacity_of, too_much
from muster.drill.plan.outline import Row, Step, rows_of, steps_of
from muster.drill.plan.permit import closed, reach_of, unconfirmed, unusable_of
from muster.drill.plan.plan import DrillPlan
from muster.errors import BadInput
from muster.platform import platform_of
from muster.targets import Target
from muster.targets.declared import lines as lines_of_declared


@dataclass(frozen=True)
class Described:
    """A plan with the values that the target has now. `asked` False: a testbed that is not up."""

    plan: DrillPlan
    asked: bool
    steps: list[tuple[Step, list[Row]]]
    refused: list[str]

    @property
    def changes(self) -> int:
        """How many changes the drill makes, those that take others back included."""
        return sum(len(rows) for _, rows in self.steps)

    def lines(self) -> Iterator[str]:
        """The plan for a person, line by line."""
        yield from _head(self.plan)
        if not self.asked:
            name = self.plan.target.name
            yield f"testbed {name} is not up: the values shown are its initial ones"
        for number, (step, rows) in enumerate(self.steps, start=1):
            yield f"{number:2} {step.name}: {step.what}"
            for row in rows:
                yield f"     {row.subject}: {row.before} -> {row.after}"
                if row.undo:
                    yield f"       by hand: {row.undo}"
        yield "every change is written to the undo log before it is made; at the end, and if"
        yield "anything stops the drill, all are restored, last first, and each is read back"
        found = cost.estimate(self.plan)
        price = self.plan.target.load.cost
        money = f", {found.money:,.2f} {price.currency}" if price and found.money else ""
        yield (
            f"in all: {self.changes} changes, about {(found.held_s + found.assumed_s) / 60:.0f} "
            f"min, {found.tokens:,.0f} tokens{money}"
        )
        yield from (f"REFUSED at present: {reason}" for reason in self.refused)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values. Durations in seconds."""
        plan, found = self.plan, cost.estimate(self.plan)
        price = plan.target.load.cost
        return {
            "schema_version": 1,
            "drill": plan.drill,
            "target": plan.target.name,
            "target_class": plan.target.class_,
            "evidence": plan.evidence,
            "gate": plan.gate.name,
            "profile": plan.profile.name,
            "scale": plan.settings.scale,
            "streams": plan.streams_target,
            "load_place": plan.target.load.where or "this machine",
            "time_scale": plan.time_scale,
            "seed": plan.settings.seed,
            "values_read": self.asked,
            "steps": [
                {"name": step.name, "what": step.what, "changes": [asdict(row) for row in rows]}
                for step, rows in self.steps
            ],
            "totals": {
                "changes": self.changes,
                "seconds": round(found.held_s + found.assumed_s),
                "requests": round(found.requests),
                "canaries": round(found.canaries),
                "tokens_in": round(found.tokens_in),
                "tokens_out": round(found.tokens_out),
                "money": found.money,
                "currency": price.currency if price else None,
            },
            "refused": self.refused,
        }


def describe(plan: DrillPlan) -> Described:
    """The plan as it would run. Reads the target if it can be reached; changes nothing.

    Raises BadInput for what is unknown, or for an environment variable that is not set.
    """
    target = _reached(plan.target)
    steps = steps_of(
        platform_of(target or plan.target),
        plan.method,
        plan.time_scale,
        held=plan.holds_connections,
        seed=plan.settings.seed,
    )
    table = rows_of(steps, ask=target is not None)
    wrong = [reach_of(plan.target, steps), unconfirmed(plan), closed(plan.target), too_much(plan)]
    wrong.append(enough.too_few(plan))
    wrong.append(str(cost.over_budget(plan) or ""))
    if (bad := unusable_of(steps)) is not None:
        wrong.insert(0, str(BadInput(plan.target_file, bad.key, bad.value, bad.wanted)))
    return Described(plan, target is not None, table, [reason for reason in wrong if reason])


def _head(plan: DrillPlan) -> Iterator[str]:
    target, radius = plan.target, plan.target.blast_radius
    yield f"{plan.drill} on target {target.name} ({target.class_}), {plan.evidence} evidence"
    yield (
        f"load: {plan.profile.name} at scale {plan.settings.scale:g}, {plan.streams_target} "
        f"streams, seed {plan.settings.seed}, time scale {plan.time_scale:g}"
    )
    if target.load.where:
        yield f"the load runs in {target.load.where}, which the drill creates and deletes"
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
