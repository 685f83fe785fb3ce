"""The actions and probes of this extension, in the form of `chaos discover`."""

from __future__ import annotations

import pkgutil
from importlib import import_module, metadata
from typing import Any

from chaoslib.discovery.discover import (
    discover_actions,
    discover_probes,
    initialize_discovery_result,
)

DISTRIBUTION = "chaostoolkit-muster"
ACTIONS = "muster.actions"
PROBE_MODULES = ("probes.series", "probes.verdict")


def discover() -> Any:
    """A discovery with every activity. It sends no request."""
    found = initialize_discovery_result(DISTRIBUTION, metadata.version(DISTRIBUTION), "muster")
    for module in action_modules():
        found["activities"].extend(discover_actions(module))
    for module in PROBE_MODULES:
        found["activities"].extend(discover_probes(module))
    return found


def action_modules() -> list[str]:
    """The modules of this package that export actions (`__all__`)."""
    path = import_module(ACTIONS).__path__
    names = sorted(f"{ACTIONS}.{one.name}" for one in pkgutil.iter_modules(path))
    return [name for name in names if hasattr(import_module(name), "__all__")]
