"""Checks the file of a game day before anything is started. Pure.

The file is a Chaos Toolkit experiment whose method has one action for each drill. What its verdict
depends on must be there, as in a drill's file, and nothing else: an activity that is no drill could
change something that no bundle records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from muster.drill.plan.asked import check_asked, check_text, mapping_of, mappings_of
from muster.drill.plan.settings import KEYS
from muster.errors import BadInput, one_of
from muster.numbers import is_number

CONTROL = "muster.controls.game_day"
DRILL = ("muster.actions.game_day", "drill")
PASSED = ("probes.game_day", "passed")
ON_FAIL = "on_fail"
GO_ON, STOP = "go_on", "stop"
ON_FAIL_VALUES = (STOP, GO_ON)
RECOVERY_S_MAX = 300.0
"""How long to wait for the platform after a drill, in seconds, unless the action says otherwise."""
RECOVERY_S_LIMIT = 7200.0
STRATEGY = "after-method-only"
ARGUMENTS = ("drill", "recovery_s_max")
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """One drill as the day's file lists it. `number` from 1; `recovery_s_max` in seconds."""

    number: int
    name: str
    file: str
    recovery_s_max: float


def is_day(experiment: Document) -> bool:
    """Whether a control or an activity of the experiment is that of a game day."""
    parts = [one for key in ("controls", "method") for one in mappings_of(experiment, key)]
    own = (CONTROL, DRILL[0])
    return any(mapping_of(one, "provider").get("module") in own for one in parts)


def check_day(
    file: str,
    experiment: Document,
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    flags: Mapping[str, str | None] | None = None,
) -> tuple[Listed, ...]:
    """The drills of the day, in order. Raises BadInput for the first thing that does not fit."""
    check_text(file, experiment)
    _check_control(file, experiment)
    check_asked(file, experiment, given, environ, keys=(*KEYS, ON_FAIL))
    _check_hypothesis(file, experiment, flags or {})
    if rollbacks := mappings_of(experiment, "rollbacks"):
        wanted = "none: each drill restores what it changed"
        raise BadInput(file, "rollbacks", [_said(one) for one in rollbacks], wanted)
    return tuple(_drills(file, experiment))


def on_fail(configuration: Mapping[str, Any]) -> str:
    """Whether the day stops or goes on after a drill that did not pass. Raises BadInput."""
    value = configuration.get(ON_FAIL)
    if value in (None, ""):
        return STOP
    if value not in ON_FAIL_VALUES:
        where = f"configuration (--var {ON_FAIL} or MUSTER_{ON_FAIL.upper()})"
        raise BadInput(where, ON_FAIL, value, one_of(str(value), ON_FAIL_VALUES))
    return str(value)


def _check_control(file: str, experiment: Document) -> None:
    controls = mappings_of(experiment, "controls")
    if len(controls) != 1 or _function(controls[0])[0] != CONTROL:
        shown = [_said(one) for one in controls]
        raise BadInput(file, "controls", shown, f"the control {CONTROL}, and no other")
    provider = mapping_of(controls[0], "provider")
    if provider.get("type") != "python":
        wanted = "python: it would not be asked"
        raise BadInput(file, "controls.0.provider.type", provider.get("type"), wanted)
    for key, wanted_value in (("automatic", True), ("scope", None)):
        if controls[0].get(key, wanted_value) != wanted_value:
            raise BadInput(file, f"controls.0.{key}", controls[0][key], "none: it acts always")
    for key, value in mapping_of(provider, "arguments").items():
        if key != "day":
            raise BadInput(file, f"controls.0.{key}", value, one_of(key, ("day",)))


def _check_hypothesis(file: str, experiment: Document, flags: Mapping[str, str | None]) -> None:
    hypothesis = mapping_of(experiment, "steady-state-hypothesis")
    probes = mappings_of(hypothesis, "probes")
    if [_function(one) for one in probes] != [PASSED]:
        shown = [_said(one) for one in probes]
        where = "steady-state-hypothesis.probes"
        raise BadInput(file, where, shown, f"the probe {'.'.join(PASSED)} alone, which decides")
    if probes[0].get("tolerance") is not True:
        key = "steady-state-hypothesis.probes.tolerance"
        raise BadInput(file, key, probes[0].get("tolerance"), f"true for {'.'.join(PASSED)}")
    runtime = mapping_of(mapping_of(experiment, "runtime"), "hypothesis")
    if runtime.get("strategy") != STRATEGY:
        where = "runtime.hypothesis.strategy"
        raise BadInput(file, where, runtime.get("strategy"), STRATEGY)
    flag = flags.get("hypothesis")
    if flag not in (None, STRATEGY):
        raise BadInput("--hypothesis-strategy", "", flag, f"{STRATEGY}: a day proves nothing else")


def _drills(file: str, experiment: Document) -> Iterator[Listed]:
    method = mappings_of(experiment, "method")
    if not method:
        raise BadInput(file, "method", experiment.get("method"), "a drill, or more")
    seen: dict[str, int] = {}
    for index, one in enumerate(method):
        where = f"method.{index} ({one.get('name', 'an activity')})"
        if _function(one) != DRILL or one.get("type") != "action":
            raise BadInput(file, f"{where}.provider", _said(one), f"{'.'.join(DRILL)} alone")
        for key in ("background", "pauses", "controls"):
            if one.get(key):
                wanted = "none: the check after each drill says when the next one begins"
                raise BadInput(file, f"{where}.{key}", one[key], wanted)
        found = _listed(file, index, where, one)
        if found.file in seen:
            wanted = f"each drill once (method.{seen[found.file]} runs it too)"
            raise BadInput(file, f"{where}.provider.arguments.drill", found.file, wanted)
        seen[found.file] = index
        yield found


def _listed(file: str, index: int, where: str, one: Document) -> Listed:
    given = mapping_of(mapping_of(one, "provider"), "arguments")
    for key, value in given.items():
        if key not in ARGUMENTS:
            wanted = f"an argument of it: {one_of(key, ARGUMENTS)}"
            raise BadInput(file, f"{where}.provider.arguments.{key}", value, wanted)
    drill = given.get("drill")
    if not isinstance(drill, str) or not drill:
        raise BadInput(file, f"{where}.provider.arguments.drill", drill, "a drill's file")
    limit = given.get("recovery_s_max", RECOVERY_S_MAX)
    if not (is_number(limit) and 0 < limit <= RECOVERY_S_LIMIT):
        wanted = f"seconds over 0 and at most {RECOVERY_S_LIMIT:g}"
        raise BadInput(file, f"{where}.provider.arguments.recovery_s_max", limit, wanted)
    return Listed(index + 1, str(one.get("name", drill)), drill, float(limit))


def _function(one: Document) -> tuple[str, str]:
    provider = mapping_of(one, "provider")
    return str(provider.get("module", "")), str(provider.get("func", ""))


def _said(one: Document) -> str:
    return ".".join(part for part in _function(one) if part) or str(one.get("name", one))
