"""Checks which activities a drill's method has, and their order.

A method is a frame (preflight, ramp, baseline, …, verify) around blocks; each block changes
something and restores it. A block is complete and in its order, or absent: a region is never
stopped before it is drained, never drained while it gets traffic, and every effect is read back.
A single fault may also be begun anywhere between baseline and verify, and ended after other phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muster.drill.plan.frame import BEGINNING, END, SAFETY
from muster.drill.plan.steps import steps
from muster.errors import BadInput
from muster.faults.around import BEGIN, fault_begun
from muster.faults.around import END as END_OF

Block = tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a method: at which activity (its index, from 0), and what was expected."""

    index: int
    wrong: str
    wanted: str


@dataclass(frozen=True)
class Named:
    """One activity of a method: its name in the file, and what it does."""

    name: str
    module: str
    func: str


def phases_of_method(method: Sequence[tuple[str, str]]) -> list[str]:
    """The phases that the activities (module, function) record, in order; preflight has none."""
    known = steps().by_key
    found = [known[key].phase for key in method if key in known]
    return [phase for phase in found if phase is not None]


def check_order(file: str, kind: str, method: Sequence[Named]) -> None:
    """Raises BadInput for the first activity that is out of order."""
    known = steps()
    own = [
        (index, one.func)
        for index, one in enumerate(method)
        if (one.module, one.func) in known.by_key
    ]
    others = [one for one in own if not fault_begun(one[1])]
    fault = order_fault(kind, others, len(method), known.blocks) or begun_fault(own, len(method))
    if fault is None:
        return
    at = "" if fault.index >= len(method) else f" ({method[fault.index].name})"
    key = f"method.{min(fault.index, max(0, len(method) - 1))}{at}" if method else "method"
    raise BadInput(file, key, fault.wrong, fault.wanted)


def order_fault(
    kind: str, own: Sequence[tuple[int, str]], end: int, blocks: Sequence[Block]
) -> Fault | None:
    """What is wrong with the order of Muster's activities `own` (index in the method, name). Pure.

    `end` is the index after the method's last activity.
    """
    names = [name for _, name in own]
    seen: set[str] = set()
    for index, name in own:
        if name in seen:
            return Fault(index, f"{name} a second time", "every phase once")
        seen.add(name)
    if kind == "safety":
        return _expected(own, SAFETY, end)
    fault = _expected(own[: len(BEGINNING)], BEGINNING, end)
    if fault is not None:
        return fault
    at = len(BEGINNING)
    gone_through = 0
    while at < len(own) and names[at] != END:
        index, name = own[at]
        block = next((block for block in blocks if block[0] == name), None)
        if block is None:
            wrong = f"{name} with no {_before(name, blocks)} before it"
            return Fault(index, wrong, _wanted(name, blocks))
        fault = _expected(own[at : at + len(block)], block, end)
        if fault is not None:
            return fault
        at += len(block)
        gone_through += 1
    if at >= len(own):
        return Fault(end, "no verify at the end", "verify last: it reads every change back")
    if at + 1 < len(own):
        index, name = own[at + 1]
        return Fault(index, f"{name} after verify", "verify last: nothing may change after it")
    if gone_through == 0 and kind != "gate":
        first = ", ".join(block[0] for block in blocks)
        return Fault(own[at][0], "no fault before verify", f"one of {first} for the kind {kind}")
    if kind == "failover" and "evacuate" not in seen:
        return Fault(own[at][0], "no evacuate before verify", _wanted("evacuate", blocks))
    return None


def begun_fault(own: Sequence[tuple[int, str]], end: int) -> Fault | None:
    """What is wrong with the faults that `own` begins and ends around other activities. Pure.

    Each is begun once, after the baseline, and ended once, before verify, with a phase between.
    """
    names = [name for _, name in own]
    seen: set[str] = set()
    open_at: dict[str, int] = {}
    for at, (index, name) in enumerate(own):
        fault = fault_begun(name)
        begin, ending = f"{BEGIN}{fault}", f"{END_OF}{fault}"
        if fault and name in seen:
            return Fault(index, f"{name} a second time", "every phase once")
        seen.add(name)
        if fault and (BEGINNING[-1] not in seen or END in seen):
            return Fault(index, f"{name} outside the load", f"{name} between baseline and verify")
        if name == begin:
            open_at[begin] = at
        elif name == ending:
            since = open_at.pop(begin, None)
            if since is None:
                return Fault(index, f"{name} with no {begin} before it", f"{begin}, {name}")
            if all(map(fault_begun, names[since:at])):
                return Fault(index, f"{name} directly after {begin}", "a phase between the two")
        elif name == END and open_at:
            left = next(iter(open_at)).removeprefix(BEGIN)
            return Fault(index, f"{name} before {END_OF}{left}", f"{END_OF}{left}, {name}")
    if open_at:
        left = next(iter(open_at))
        return Fault(end, f"{left} without its end", f"{END_OF}{left.removeprefix(BEGIN)}")
    return None


def _expected(own: Sequence[tuple[int, str]], wanted: Sequence[str], end: int) -> Fault | None:
    """The first place at which `own` differs from `wanted`."""
    for number, name in enumerate(wanted):
        if number >= len(own):
            return Fault(end, f"no {name}", f"{_said(wanted)} in this order")
        index, found = own[number]
        if found != name:
            return Fault(index, f"{found} instead of {name}", f"{_said(wanted)} in this order")
    if len(own) > len(wanted):
        index, found = own[len(wanted)]
        return Fault(index, f"{found} after {wanted[-1]}", f"{_said(wanted)} and no more")
    return None


def _before(name: str, blocks: Sequence[Block]) -> str:
    """What must come directly before the activity `name` of a block."""
    found = dict.fromkeys(block[block.index(name) - 1] for block in blocks if name in block[1:])
    if found:
        return " or ".join(found)
    return BEGINNING[BEGINNING.index(name) - 1] if name in BEGINNING[1:] else "place for it"


def _wanted(name: str, blocks: Sequence[Block]) -> str:
    own = [block for block in blocks if name in block]
    if not own:
        return "a drill under load or a safety drill, not parts of both"
    return " or ".join(_said(block) for block in own) + " in this order"


def _said(names: Sequence[str]) -> str:
    return ", ".join(names)
