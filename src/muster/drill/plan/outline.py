"""What a drill will do, step by step, before it does anything, using the drill's own faults.

Each activity of a drill's method is identified by its function. An unknown activity can be neither
limited nor undone, so it is refused outside a testbed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.drill.plan.steps import steps
from muster.errors import BadInput, MusterError
from muster.faults import Fault, Scene, WrongArgument
from muster.faults.around import COMPOUND, fault_begun
from muster.platform import Platform


@dataclass(frozen=True)
class Activity:
    """One activity of a drill's method, as in its file."""

    name: str
    kind: str
    module: str
    func: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one activity does. `back`: it reverts these faults instead of applying them. `begins`:
    they go on until a later step, which `ends` them.
    """

    name: str
    what: str
    faults: tuple[Fault, ...] = ()
    back: bool = False
    begins: bool = False
    ends: bool = False


def steps_of(
    platform: Platform,
    method: Sequence[Activity],
    time_scale: float,
    *,
    held: bool = False,
    seed: int = 0,
) -> tuple[Step, ...]:
    """The steps of `method`. Raises BadInput for an unknown activity outside a testbed, and for
    a fault that would act on what another one still holds. `held` and `seed`: as in `Scene`.
    """
    known = steps().by_key
    scene = Scene(platform, 60.0 / time_scale, held=held, seed=seed)
    found: list[Step] = []
    begun: dict[str, tuple[Fault, ...]] = {}
    applied: tuple[Fault, ...] = ()
    for index, activity in enumerate(method):
        step = known.get((activity.module, activity.func))
        if step is not None:
            try:
                planned = step.planned(scene, activity.arguments)
            except WrongArgument as error:
                where = f"method.{index}.provider.arguments" + (error.key and f".{error.key}")
                raise BadInput(activity.name, where, error.value, error.wanted) from error
            ended = begun.pop(step.ends, ())
            begins = step.module == COMPOUND and not step.back
            own = planned.faults or (applied if step.back and step.shared else ())
            applied = own if own and not step.back else applied
            if not step.back:
                _check_apart(index, activity, own, begun)
            if begins:
                begun[step.func] = own
            faults = (*own, *ended)
            found.append(
                Step(activity.name, planned.what, faults, step.back, begins, bool(step.ends))
            )
        elif activity.kind == "probe":
            found.append(Step(activity.name, "observes, and changes nothing"))
        elif platform.target.class_ == "testbed":
            found.append(
                Step(activity.name, f"{activity.module}.{activity.func}: an unknown activity")
            )
        else:
            where, what = f"method.{index}.provider", f"{activity.module}.{activity.func}"
            wanted = "an action of muster.actions, because blast_radius and undo cover no other"
            raise BadInput(activity.name, where, what, wanted)
    return tuple(found)


def begun_by(found: Sequence[Step]) -> dict[str, str | None]:
    """Where the steps begin a fault that goes on around others, by its kind; None: everywhere."""
    return {fault.kind: fault.region for step in found if step.begins for fault in step.faults}


def _check_apart(
    index: int,
    activity: Activity,
    faults: Sequence[Fault],
    begun: Mapping[str, Sequence[Fault]],
) -> None:
    """Raises BadInput if one of `faults` would act on what one of those `begun` holds.

    Which region it is in does not matter: faults of different things in one region are compound.
    """
    for func, held in begun.items():
        for mine, other in ((mine, other) for mine in faults for other in held):
            shared = set(_things(mine)) & set(_things(other))
            if shared:
                wanted = f"after the end of {fault_begun(func)}, which acts on {min(shared)} too"
                raise BadInput(activity.name, f"method.{index}", mine.kind, wanted)


def _things(fault: Fault) -> Iterator[str]:
    """What it acts on, by name: what it is called, and everything but whole regions."""
    yield fault.subject
    for touch in fault.touches():
        if touch.kind != "regions":
            yield f"{touch.kind} {touch.name}"


@dataclass(frozen=True)
class Row:
    """One change of a step: `undo` is the line that reverts it by hand, if there is one."""

    subject: str
    before: str
    after: str
    undo: str = ""


def rows_of(steps: Sequence[Step], *, ask: bool) -> list[tuple[Step, list[Row]]]:
    """Each step with its changes, each from the value that the previous one left. Changes nothing.

    `ask` reads the real system; without it (a testbed that is not up) values are described in
    words.
    """
    now: dict[str, str] = {}
    first: dict[str, str] = {}
    table: list[tuple[Step, list[Row]]] = []
    for step in steps:
        rows: list[Row] = []
        for fault in step.faults:
            subject = fault.subject
            if step.back:
                # What is not changed by an earlier step is changed and taken back within this one.
                passing = f"{fault.aim}, then as before"
                rows.append(Row(subject, now.get(subject, "as it is"), first.get(subject, passing)))
                continue
            before, after, undo = _values(fault) if ask else ("as it starts", fault.aim, "")
            rows.append(Row(subject, now.get(subject, before), after, undo))
            first.setdefault(subject, before)
            now[subject] = after
        table.append((step, rows))
    return table


def _values(fault: Fault) -> tuple[str, str, str]:
    try:
        change = fault.change()
        fault.undo_params()
        return change.before, change.after, fault.command() or ""
    except MusterError as error:
        return f"unknown: {error}", fault.aim, ""
