"""Checks a drill's JSON before anything is locked or started. Pure.

Chaos Toolkit runs what it is given: a drill without its probe, its rollback or a phase would change
a region and prove nothing. This module requires everything that Muster's verdict depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from muster.drill.plan.asked import check_asked, check_text, mapping_of, mappings_of
from muster.drill.plan.order import Named, check_order
from muster.drill.plan.steps import steps
from muster.errors import BadInput, one_of
from muster.faults.evacuation import ACTIONS as EVACUATION
from muster.faults.share_shift import ACTIONS as SHIFT
from muster.faults.share_shift import SHARE, is_share

CONTROL = "muster.controls.drill"
CONTROL_ARGUMENTS = ("drill", "kind", "gate")
STRATEGIES = {"hypothesis": "after-method-only", "rollbacks": "always"}
VERDICT = ("probes.verdict", "passed")
RESTORE = ("muster.actions.undo", "restore_all")
LOOKS = {("probes.series", "query"), ("probes.workloads", "read")}
"""Muster's probes that may be anywhere in a method."""
PAUSE_S_MAX = 600.0
Document = Mapping[str, Any]


def check_form(
    file: str,
    experiment: Document,
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    flags: Mapping[str, str | None] | None = None,
) -> None:
    """Raises BadInput for the first missing thing, in one line that names it.

    `flags`: strategies from the command line, which override the drill's own.
    """
    check_text(file, experiment)
    arguments = _check_controls(file, experiment)
    check_asked(file, experiment, given, environ)
    _check_strategies(file, experiment, flags or {})
    _check_hypothesis(file, experiment)
    _check_rollbacks(file, experiment)
    method = method_of(file, experiment)
    _check_activities(file, method)
    named = [Named(_name(one), *_function(one)) for one in method]
    check_order(file, str(arguments.get("kind", "failover")), named)
    _check_shares(file, method)


def method_of(file: str, experiment: Document) -> list[Document]:
    """The activities of the method, each `ref` replaced by what it names. Raises BadInput."""
    known = {
        str(one["name"]): one
        for one in [*mappings_of(experiment, "method"), *_probes(experiment)]
        if "name" in one
    }
    found = []
    for index, one in enumerate(mappings_of(experiment, "method")):
        ref = one.get("ref")
        if ref is not None and str(ref) not in known:
            raise BadInput(file, f"method.{index}.ref", ref, "the name of an activity")
        one = one if ref is None else {**known[str(ref)], "ref": ref}
        _check_mappings(file, f"method.{index}", one)
        found.append(one)
    return found


def _check_mappings(file: str, where: str, one: Document) -> None:
    """What has another shape would be read as if it were not there."""
    provider = one.get("provider")
    if not isinstance(provider, Mapping | None):
        raise BadInput(file, f"{where}.provider", provider, "a mapping")
    arguments = (provider or {}).get("arguments")
    if not isinstance(arguments, Mapping | None):
        raise BadInput(file, f"{where}.provider.arguments", arguments, "a mapping, by argument")


def _check_controls(file: str, experiment: Document) -> Document:
    """Muster's control is there once, for every activity, and no other has its name."""
    own = [one for one in mappings_of(experiment, "controls") if _function(one)[0] == CONTROL]
    if len(own) != 1:
        raise BadInput(file, "controls", len(own), f"the control {CONTROL} once")
    (control,) = own
    kind = mapping_of(control, "provider").get("type")
    if kind != "python":
        raise BadInput(file, "controls.muster.provider.type", kind, "python: it would not be asked")
    for key, wanted in (("automatic", True), ("scope", None)):
        if control.get(key, wanted) != wanted:
            raise BadInput(file, f"controls.muster.{key}", control[key], "none: it acts always")
    name = control.get("name")
    for path, other in _controls(experiment):
        if other is not control and other.get("name") == name and _function(other)[0] != CONTROL:
            raise BadInput(file, path, name, f"another name than that of {CONTROL}")
        if other.get("ref", name) != name:
            # Chaos Toolkit leaves out every other control of an activity that has only such ones.
            key = path.removesuffix("name") + "ref"
            raise BadInput(file, key, other["ref"], f"{name}, or a control with a provider")
    arguments = mapping_of(mapping_of(control, "provider"), "arguments")
    for key, value in arguments.items():
        if key not in CONTROL_ARGUMENTS:
            known = one_of(key, CONTROL_ARGUMENTS)
            raise BadInput(file, f"controls.muster.{key}", value, known)
    return arguments


def _check_strategies(file: str, experiment: Document, flags: Mapping[str, str | None]) -> None:
    runtime = mapping_of(experiment, "runtime")
    for what, wanted in STRATEGIES.items():
        found = mapping_of(runtime, what).get("strategy")
        if found != wanted:
            raise BadInput(file, f"runtime.{what}.strategy", found, wanted)
        flag = flags.get(what)
        if flag is not None and flag != wanted:
            option = f"--{'rollback' if what == 'rollbacks' else what}-strategy"
            raise BadInput(option, "", flag, f"{wanted}: a drill proves nothing otherwise")


def _check_hypothesis(file: str, experiment: Document) -> None:
    for probe in _probes(experiment):
        if _function(probe) == VERDICT and probe.get("type") == "probe":
            if probe.get("tolerance") is not True:
                key = "steady-state-hypothesis.probes.tolerance"
                raise BadInput(file, key, probe.get("tolerance"), "true for probes.verdict.passed")
            return
    raise BadInput(
        file,
        "steady-state-hypothesis.probes",
        [_said(one) for one in _probes(experiment)],
        "the probe probes.verdict.passed, which decides",
    )


def _check_rollbacks(file: str, experiment: Document) -> None:
    rollbacks = mappings_of(experiment, "rollbacks")
    if not rollbacks or _function(rollbacks[0]) != RESTORE:
        shown = [_said(one) for one in rollbacks]
        raise BadInput(file, "rollbacks", shown, "muster.actions.undo.restore_all first")
    for index, one in enumerate(rollbacks):
        if one.get("background") or "ref" in one:
            raise BadInput(file, f"rollbacks.{index}", _said(one), "an action of the foreground")
        if index and _function(one)[0].startswith("muster."):
            raise BadInput(
                file,
                f"rollbacks.{index}",
                _said(one),
                "no other of Muster's actions",
            )


def _check_activities(file: str, method: Sequence[Document]) -> None:
    for index, one in enumerate(method):
        where = f"method.{index} ({_name(one)})"
        if one.get("background"):
            wanted = "false: rollbacks would not run in order with a background activity"
            raise BadInput(file, f"{where}.background", one["background"], wanted)
        for key, value in mapping_of(one, "pauses").items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 0 <= value <= PAUSE_S_MAX):
                wanted = f"seconds from 0 to {PAUSE_S_MAX:g}"
                raise BadInput(file, f"{where}.pauses.{key}", value, wanted)
        called = _function(one)
        own = called[0].split(".")[0] in ("muster", "probes")
        if own and called not in steps().by_key and called not in LOOKS:
            wanted = "an activity of muster.actions, probes.series.query or probes.workloads.read"
            raise BadInput(file, f"{where}.provider", ".".join(called), wanted)
        if called in steps().by_key:
            _check_arguments(file, where, one, [p.name for p in steps().by_key[called].parameters])


def _check_arguments(file: str, where: str, one: Document, known: Sequence[str]) -> None:
    """A misspelt argument is named together with the one that was meant."""
    for key, value in mapping_of(mapping_of(one, "provider"), "arguments").items():
        if key not in known:
            wanted = f"an argument of it: {one_of(key, known)}"
            raise BadInput(file, f"{where}.provider.arguments.{key}", value, wanted)


def _check_shares(file: str, method: Sequence[Document]) -> None:
    """No region is drained while it still gets new streams; a small shift takes some, not all."""
    for index, one in enumerate(method):
        where = f"method.{index} ({_name(one)}).provider.arguments"
        arguments = mapping_of(mapping_of(one, "provider"), "arguments")
        if _function(one) == (EVACUATION, "evacuate"):
            shares = arguments.get("shares_pct")
            last = shares[-1] if isinstance(shares, Sequence) and shares else None
            if isinstance(last, bool) or last != 0:
                wanted = "shares in percent that end with 0"
                raise BadInput(file, f"{where}.shares_pct", shares, wanted)
        elif _function(one) == (SHIFT, "shift_share"):
            share = arguments.get("share_pct")
            if not is_share(share):
                raise BadInput(file, f"{where}.share_pct", share, SHARE)


def module_of(one: Document) -> str:
    """The Python module that an activity or a control is in; empty if it is in none."""
    return _function(one)[0]


def _controls(experiment: Document) -> Iterator[tuple[str, Document]]:
    hypothesis = mapping_of(experiment, "steady-state-hypothesis")
    groups = [("", experiment), ("steady-state-hypothesis.", hypothesis)]
    for part in ("method", "rollbacks"):
        for index, one in enumerate(mappings_of(experiment, part)):
            groups.append((f"{part}.{index}.", one))
    for index, one in enumerate(_probes(experiment)):
        groups.append((f"steady-state-hypothesis.probes.{index}.", one))
    for path, group in groups:
        for index, control in enumerate(mappings_of(group, "controls")):
            yield f"{path}controls.{index}.name", control


def _probes(experiment: Document) -> list[Document]:
    return mappings_of(mapping_of(experiment, "steady-state-hypothesis"), "probes")


def _function(one: Document) -> tuple[str, str]:
    provider = mapping_of(one, "provider")
    return str(provider.get("module", "")), str(provider.get("func", ""))


def _name(one: Document) -> str:
    return str(one.get("name", one.get("ref", "an activity")))


def _said(one: Document) -> str:
    return ".".join(part for part in _function(one) if part) or _name(one)
