"""What a drill's method must go through, and in which order. Pure: names in, one fault or none out.

A method is a frame (preflight, ramp, baseline, …, verify) around blocks, each of which changes
something and takes it back. A block stands whole and in its order or not at all: never dark
undrained, never drained unsteered, never an effect that nobody reads back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muster.errors import BadInput


@dataclass(frozen=True)
class Act:
    """One of Muster's own activities: its name in an order, and the phase that it records.

    `phase` None: none that a drill is about (preflight).
    """

    name: str
    phase: str | None


def _act(name: str, phase: str | None = None) -> Act:
    return Act(name, phase or name)


PREFLIGHT = Act("preflight", None)
ACTS: dict[tuple[str, str], Act] = {
    ("muster.actions.failover", "preflight"): PREFLIGHT,
    ("muster.actions.failover", "ramp"): _act("ramp"),
    ("muster.actions.failover", "baseline"): _act("baseline"),
    ("muster.actions.failover", "evacuate"): _act("evacuate"),
    ("muster.actions.failover", "drain"): _act("drain"),
    ("muster.actions.failover", "dark"): _act("dark"),
    ("muster.actions.failover", "restore"): _act("restore"),
    ("muster.actions.failover", "verify"): _act("verify"),
    ("muster.actions.fault", "redis_outage"): _act("redis_outage", "fault"),
    ("muster.actions.fault", "provider_latency"): _act("provider_latency", "fault"),
    ("muster.actions.fault", "recovery"): _act("recovery"),
    ("muster.actions.loss", "region_loss"): _act("region_loss", "loss"),
    ("muster.actions.loss", "failed_over"): _act("failed_over"),
    ("muster.actions.loss", "comeback"): _act("comeback"),
    ("muster.actions.safety", "lock"): _act("lock", "safety_lock"),
    ("muster.actions.safety", "freeze"): _act("freeze", "safety_freeze"),
    ("muster.actions.safety", "undo"): _act("undo", "safety_undo"),
    ("muster.actions.safety", "guard"): _act("guard", "safety_guard"),
}
"""Muster's activities by module and function; `outline.STEPS` says what each of them does."""

BLOCKS: tuple[tuple[str, ...], ...] = (
    ("evacuate", "drain", "dark", "restore"),
    ("redis_outage", "recovery"),
    ("provider_latency", "recovery"),
    ("region_loss", "failed_over", "comeback"),
)
"""What belongs together under load: each begins with its effect and ends with everything back."""
SAFETY = ("preflight", "lock", "freeze", "undo", "guard", "verify")
BEGINNING = ("preflight", "ramp", "baseline")
END = "verify"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a method: at which activity (its number, from 0), and what was wanted."""

    index: int
    wrong: str
    wanted: str


@dataclass(frozen=True)
class Named:
    """One activity of a method: what its file calls it, and what it does."""

    name: str
    module: str
    func: str


def phases_of_method(method: Sequence[tuple[str, str]]) -> list[str]:
    """The phases that the activities (module, function) record, in order; preflight has none."""
    acts = [ACTS[key] for key in method if key in ACTS]
    return [act.phase for act in acts if act.phase is not None]


def check_order(file: str, kind: str, method: Sequence[Named]) -> None:
    """Raises BadInput for the first activity that does not stand where it must."""
    own = [
        (index, ACTS[one.module, one.func].name)
        for index, one in enumerate(method)
        if (one.module, one.func) in ACTS
    ]
    fault = order_fault(kind, own, len(method))
    if fault is None:
        return
    at = "" if fault.index >= len(method) else f" ({method[fault.index].name})"
    key = f"method.{min(fault.index, max(0, len(method) - 1))}{at}" if method else "method"
    raise BadInput(file, key, fault.wrong, fault.wanted)


def order_fault(kind: str, own: Sequence[tuple[int, str]], end: int) -> Fault | None:
    """What is wrong with the order of Muster's activities `own` (index in the method, name).

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
    blocks = 0
    while at < len(own) and names[at] != END:
        index, name = own[at]
        block = next((block for block in BLOCKS if block[0] == name), None)
        if block is None:
            return Fault(index, f"{name} with no {_before(name)} before it", _wanted(name))
        fault = _expected(own[at : at + len(block)], block, end)
        if fault is not None:
            return fault
        at += len(block)
        blocks += 1
    if at >= len(own):
        return Fault(end, "no verify at the end", "verify last: it reads every change back")
    if at + 1 < len(own):
        index, name = own[at + 1]
        return Fault(index, f"{name} after verify", "verify last: nothing may change after it")
    if blocks == 0 and kind != "gate":
        first = ", ".join(block[0] for block in BLOCKS)
        return Fault(own[at][0], "no fault before verify", f"one of {first} for the kind {kind}")
    if kind == "failover" and "evacuate" not in seen:
        return Fault(own[at][0], "no evacuate before verify", f"{_said(BLOCKS[0])} in this order")
    return None


def _expected(own: Sequence[tuple[int, str]], wanted: Sequence[str], end: int) -> Fault | None:
    """The first place where `own` is not what `wanted` says."""
    for number, name in enumerate(wanted):
        if number >= len(own):
            return Fault(end, f"no {name}", f"{_said(wanted)} in this order")
        index, found = own[number]
        if found != name:
            return Fault(index, f"{found} where {name} belongs", f"{_said(wanted)} in this order")
    if len(own) > len(wanted):
        index, found = own[len(wanted)]
        return Fault(index, f"{found} after {wanted[-1]}", f"{_said(wanted)} and no more")
    return None


def _before(name: str) -> str:
    """What must have come right before the activity `name` of a block."""
    for block in BLOCKS:
        if name in block[1:]:
            return block[block.index(name) - 1]
    return BEGINNING[BEGINNING.index(name) - 1] if name in BEGINNING[1:] else "place for it"


def _wanted(name: str) -> str:
    blocks = [block for block in BLOCKS if name in block]
    if not blocks:
        return "a drill under load or a safety drill, not parts of both"
    return " or ".join(_said(block) for block in blocks) + " in this order"


def _said(names: Sequence[str]) -> str:
    return ", ".join(names)
