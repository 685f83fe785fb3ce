"""Every fault and every step, found by searching this package: there is no list.

- A class with a `kind` is the fault of that kind; a `DrillStep` is the step of its action.
- A wrong registration refuses every drill before anything is started (`sound`). An undo entry is
  still restored, as long as exactly one fault has its kind.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from muster.errors import BadInput
from muster.faults.model import Fault, PlatformFault, RegionalFault
from muster.faults.steps import DrillStep
from muster.platform.platform import Platform
from muster.undo import UndoEntry

PACKAGE = "muster.faults"
MADE_BY = "made_by"
"""The key of an undo entry's parameters that holds the kind of adapter that made the change."""
KIND = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Registered:
    """The faults by kind, the steps, and what is wrong with them; a kind that two faults claim is
    neither's.
    """

    kinds: dict[str, type[Fault]]
    steps: tuple[DrillStep, ...]
    flaws: tuple[BadInput, ...] = ()

    def sound(self) -> Registered:
        """Return this registry. Raises BadInput for the first flaw."""
        if self.flaws:
            raise self.flaws[0]
        return self


@cache
def registered() -> Registered:
    """Everything that the package's modules register; they are imported now. Never raises."""
    modules: list[ModuleType] = []
    flaws: list[BadInput] = []
    path = import_module(PACKAGE).__path__
    for name in sorted({one.name for one in pkgutil.iter_modules(path)}):
        try:
            modules.append(import_module(f"{PACKAGE}.{name}"))
        except Exception as error:  # whatever the error is, the other faults must stay known
            why = f"{type(error).__name__}: {error}"
            flaws.append(BadInput(f"{PACKAGE}.{name}", "import", why, "a module that imports"))
    return collect(modules, flaws)


def collect(modules: Iterable[ModuleType], flaws: Iterable[BadInput] = ()) -> Registered:
    """What `modules` register. Pure."""
    wrong = list(flaws)
    classes: dict[str, list[type[Fault]]] = {}
    steps: dict[tuple[str, str], DrillStep] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, DrillStep) and value.where.startswith(f"{module.__name__}."):
                known = steps.setdefault((value.module, value.func), value)
                if known is not value:
                    key, what = f"step {value.func}", f"{value.module}.{value.func}"
                    wrong.append(_flaw(module, key, what, f"only one: {known.where} already is"))
            elif _own_fault(value, module):
                if flaw := _flaw_of(value, module):
                    wrong.append(flaw)
                else:
                    classes.setdefault(value.kind, []).append(value)
    kinds = {kind: found[0] for kind, found in classes.items() if len(found) == 1}
    for kind, found in classes.items():
        for second in found[1:]:
            wanted = f"another kind: {found[0].__module__}.{found[0].__name__} has this one"
            wrong.append(BadInput(second.__module__, f"{second.__name__}.kind", kind, wanted))
    return Registered(kinds, tuple(steps.values()), tuple(wrong))


def _own_fault(value: object, module: ModuleType) -> bool:
    """Whether `value` is a fault of this module: a class that is complete, or that claims a
    kind.
    """
    return (
        isinstance(value, type)
        and issubclass(value, Fault)
        and value.__module__ == module.__name__
        and ("kind" in vars(value) or not inspect.isabstract(value))
    )


def _flaw_of(fault: type[Fault], module: ModuleType) -> BadInput | None:
    """What is wrong with the class; None if nothing."""
    kind = getattr(fault, "kind", None)
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        return _flaw(module, f"{fault.__name__}.kind", kind, "a name in lower case")
    if missing := sorted(getattr(fault, "__abstractmethods__", ())):
        wanted = f"a complete fault, with {', '.join(missing)}"
        return _flaw(module, fault.__name__, kind, wanted)
    if not issubclass(fault, (RegionalFault, PlatformFault)):
        return _flaw(module, fault.__name__, kind, "a RegionalFault or a PlatformFault")
    if issubclass(fault, PlatformFault) and (fault.stops_region or "series" in fault.expects):
        # The guard would leave out every region, and nothing would be guarded.
        wanted = "a RegionalFault, because it ends a region's processes"
        return _flaw(module, fault.__name__, kind, wanted)
    return None


def _flaw(module: ModuleType, key: str, value: object, wanted: str) -> BadInput:
    return BadInput(module.__name__, key, value, wanted)


def kinds() -> Mapping[str, type[Fault]]:
    """Every fault by its kind, which is its name in the undo log."""
    return registered().kinds


def stops_region(kind: str) -> bool:
    """Whether a fault of that kind leaves its region without processes."""
    fault = kinds().get(kind)
    return fault is not None and fault.stops_region


def fault_of(platform: Platform, entry: UndoEntry) -> Fault:
    """The fault that an undo entry describes.

    Raises BadInput for an unknown kind, and where the target names another adapter, another proxy
    or another route by now, or its region no more.
    """
    found = registered()
    kind = found.kinds.get(entry.kind)
    if kind is None:
        wanted = f"one of {sorted(found.kinds)}"
        wanted += "".join(f"; {flaw}" for flaw in found.flaws)
        raise BadInput("undo log", f"{entry.entry_id}.kind", entry.kind, wanted)
    regions = platform.target.regions
    if entry.region is not None and entry.region not in regions:
        wanted = f"{entry.region} too, where {entry.subject} was changed: set it, and recover"
        raise BadInput(f"target {platform.target.name}", "regions", sorted(regions), wanted)
    params = dict(entry.params)
    by = params.pop(MADE_BY, None)
    fault = kind.from_undo(platform, entry.region, params)
    if by not in (None, fault.maker):
        # Another adapter would find nothing to take back, and call that restored.
        wanted = f"{by}, as when {entry.subject} was changed: set it again, and recover"
        raise BadInput(f"target {platform.target.name}", fault.where, fault.maker, wanted)
    # An older entry of an adapter says nothing of it, and may have another subject.
    known = by is not None or not fault.maker
    if known and fault.by_subject and fault.subject != entry.subject:
        wanted = f"{entry.subject}, which was changed: set it again, and recover"
        raise BadInput(
            f"target {platform.target.name}",
            fault.where.removesuffix(".kind"),
            fault.subject,
            wanted,
        )
    return fault


def undo_params_of(fault: Fault) -> dict[str, Any]:
    """What the undo entry of a fault holds, read before it is applied. Raises MusterError."""
    params = fault.undo_params()
    return {**params, MADE_BY: fault.maker} if fault.maker else params
