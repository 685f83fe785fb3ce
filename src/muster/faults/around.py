"""A single fault around other phases of a drill: one step begins it, and another one ends it.

Both follow from the step of the fault itself, so every single fault can be combined with an
evacuation, a loss or a shift, and nothing is registered twice. `begin_F` takes the fault's own
arguments, and `region` if the fault acts on one: the region that the drill evacuates, or a survivor
of it. `end_F` takes none, because the drill remembers what it began.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from muster.faults.model import PlatformFault
from muster.faults.steps import REGIONS, DrillStep, Planned, Scene, WrongArgument

COMPOUND = "muster.actions.compound"
"""The module under which a drill's JSON finds the steps."""
BEGIN, END = "begin_", "end_"
REGION = inspect.Parameter("region", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="str")


def around(steps: Iterable[DrillStep]) -> Iterator[DrillStep]:
    """The steps that begin and end each single fault of `steps`."""
    for step in steps:
        if step.make is not None:
            yield _begin(step)
            yield _end(step)


def fault_begun(func: str) -> str:
    """The single fault that the step `func` begins or ends; empty if it does neither."""
    return next((func.removeprefix(one) for one in (BEGIN, END) if func.startswith(one)), "")


def _begin(step: DrillStep) -> DrillStep:
    make = step.make
    made = inspect.signature(step.make, eval_str=True).return_annotation if step.make else None
    regional = not (isinstance(made, type) and issubclass(made, PlatformFault))

    def plan(scene: Scene, **given: Any) -> Planned:
        assert make is not None
        if regional:
            chosen = given.pop("region")
            if chosen not in REGIONS:
                raise WrongArgument("region", chosen, f"one of {', '.join(REGIONS)}")
            scene = replace(scene, chosen=chosen)
        fault = make(scene, **given)
        where = fault.region or "all regions"
        return Planned(f"begins {step.func} in {where} ({fault.aim}), which goes on", (fault,))

    own = tuple(one for one in step.parameters if one.name != "seconds")
    return DrillStep(
        COMPOUND, BEGIN + step.func, BEGIN + step.func, (REGION, *own) if regional else own, plan,
        said=f"Begin {step.func}, which goes on until `{END}{step.func}`.", where=step.where,
        limits={one.name: step.limits[one.name] for one in own if one.name in step.limits},
    )  # fmt: skip


def _end(step: DrillStep) -> DrillStep:
    def plan(scene: Scene) -> Planned:
        return Planned(f"ends {step.func}, and looks whether it went on until now")

    return DrillStep(
        COMPOUND, END + step.func, END + step.func, (), plan, back=True,
        said=f"End the fault that `{BEGIN}{step.func}` began.", where=step.where,
        ends=BEGIN + step.func,
    )  # fmt: skip
