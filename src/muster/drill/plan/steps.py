"""Every step that a drill can have: those of the frame, and those that stand beside their faults.

A block is what belongs together under load: it begins with an effect and ends with everything back.
What is registered wrongly refuses every drill before anything is started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from muster.drill.plan.frame import FRAME
from muster.errors import BadInput
from muster.faults import DrillStep, registered
from muster.faults.around import around
from muster.faults.registry import Registered


@dataclass(frozen=True)
class Steps:
    """The steps by module and function, and the blocks, each by the functions of its steps.

    A step that begins or ends a single fault around others is in no block.
    """

    by_key: Mapping[tuple[str, str], DrillStep]
    blocks: tuple[tuple[str, ...], ...]


def steps() -> Steps:
    """What is registered. Raises BadInput, which names the file, for what is registered wrongly."""
    return _steps_of(registered())


@lru_cache(maxsize=1)
def _steps_of(found: Registered) -> Steps:
    return joined(FRAME, found.sound().steps)


def joined(frame: Sequence[DrillStep], own: Sequence[DrillStep]) -> Steps:
    """The steps of the frame and those of the faults as one. Raises BadInput. Pure."""
    by_key: dict[tuple[str, str], DrillStep] = {}
    by_name: dict[str, DrillStep] = {}
    for step in (*frame, *own, *around(own)):
        # Names stand alone in an order, so two modules may not share one either.
        known = by_name.setdefault(step.func, step)
        if known is not step:
            raise _flaw(step, f"a name of its own: {known.where} has it")
        by_key[step.module, step.func] = step
    blocks = tuple((step.func, *step.then) for step in own if step.then)
    for step in own:
        if flaw := next(_flaws(step, blocks, by_name), None):
            raise _flaw(step, flaw)
    return Steps(by_key, blocks)


def _flaws(
    step: DrillStep, blocks: Sequence[Sequence[str]], by_name: Mapping[str, DrillStep]
) -> Iterator[str]:
    """What is wrong with the place of one fault's step."""
    holding = [block for block in blocks if step.func in block]
    if not holding:
        yield "a block with its end: then=(…), with the step that takes the change back last"
    if len(holding) > 1 and not step.shared:
        yield f"one block: it stands in {' and in '.join(', '.join(one) for one in holding)}"
    for name in step.then:
        if name not in by_name:
            yield f"then=(…) of steps that are there: {name} is none"
            return
    if step.then and step.make is None and not by_name[step.then[-1]].back:
        yield f"a block with its end: {step.then[-1]} does not take the change back (back=True)"


def _flaw(step: DrillStep, wanted: str) -> BadInput:
    return BadInput(step.where, f"step {step.func}", f"{step.module}.{step.func}", wanted)
