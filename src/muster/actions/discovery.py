"""The actions, probes and controls of this extension, in the form of `chaos discover`.

Chaos Toolkit's own search leaves out keyword-only arguments and controls, and knows no type that is
written as text, as every module here writes it. What it returns is therefore built here.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module, metadata
from typing import Any

from chaoslib.discovery.discover import initialize_discovery_result

DISTRIBUTION = "chaostoolkit-muster"
ACTIONS = "muster.actions"
PROBES = "probes"
CONTROLS = "muster.controls"
HOOK = "before_experiment_control"
"""The hook of a control that is given the arguments of the drill's file."""
GIVEN_BY_CHAOS = frozenset({"context", "configuration", "secrets", "settings", "experiment"})
"""What Chaos Toolkit itself passes to a control."""
PORTABLE = {
    "None": "null",
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "str": "string",
    "list": "list",
    "dict": "mapping",
}
"""Chaos Toolkit's names of types."""


def discover() -> Any:
    """A discovery with every activity and control. It sends no request."""
    found = initialize_discovery_result(DISTRIBUTION, metadata.version(DISTRIBUTION), "muster")
    for kind, package in (("action", ACTIONS), ("probe", PROBES)):
        for module in exporting(package):
            found["activities"].extend(_activities(kind, module))
    found["activities"].extend(_controls())
    return found


def exporting(package: str) -> list[str]:
    """The modules of `package` that export activities (`__all__`)."""
    return [name for name in _modules(package) if hasattr(import_module(name), "__all__")]


def _modules(package: str) -> list[str]:
    path = import_module(package).__path__
    return sorted(f"{package}.{one.name}" for one in pkgutil.iter_modules(path))


def _activities(kind: str, module: str) -> Iterator[dict[str, Any]]:
    home = import_module(module)
    for name in sorted(home.__all__):
        yield _described(kind, module, name, getattr(home, name))


def _controls() -> Iterator[dict[str, Any]]:
    for module in _modules(CONTROLS):
        hook = getattr(import_module(module), HOOK, None)
        if hook is not None:
            name = module.rpartition(".")[2]
            found = _described("control", module, name, hook)
            found["doc"] = inspect.getdoc(import_module(module))
            del found["return_type"]
            yield found


def _described(kind: str, module: str, name: str, call: Any) -> dict[str, Any]:
    signature = inspect.signature(call)
    given = GIVEN_BY_CHAOS if kind == "control" else frozenset()
    return {
        "type": kind,
        "name": name,
        "mod": module,
        "doc": inspect.getdoc(call),
        "arguments": [
            _argument(one)
            for one in signature.parameters.values()
            if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.name not in given
        ],
        "return_type": portable(signature.return_annotation),
    }


def _argument(one: inspect.Parameter) -> dict[str, Any]:
    found = {"name": one.name, "type": portable(one.annotation)}
    return found if one.default is one.empty else found | {"default": one.default}


def portable(annotation: Any) -> str:
    """Chaos Toolkit's name of a type; of a union that of its first member; `object` if none."""
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return PORTABLE.get(text.partition("|")[0].partition("[")[0].strip(), "object")
