"""The actions and probes of this extension, in the form of `chaos discover`."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from chaoslib.discovery.discover import (
    discover_actions,
    discover_probes,
    initialize_discovery_result,
)

DISTRIBUTION = "chaostoolkit-muster"
ACTION_MODULES = (
    "muster.actions.failover",
    "muster.actions.fault",
    "muster.actions.loss",
    "muster.actions.safety",
    "muster.actions.undo",
)
PROBE_MODULES = ("probes.series", "probes.verdict")


def discover() -> Any:
    """A discovery with every activity. It asks no system anything."""
    found = initialize_discovery_result(DISTRIBUTION, metadata.version(DISTRIBUTION), "muster")
    for module in ACTION_MODULES:
        found["activities"].extend(discover_actions(module))
    for module in PROBE_MODULES:
        found["activities"].extend(discover_probes(module))
    return found
