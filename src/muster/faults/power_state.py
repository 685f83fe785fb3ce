"""What a region's power port says of it: which processes are there, against what was there before.

Pure but for what is asked of the cluster through `Deployments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muster.faults.kubernetes import Deployments


@dataclass(frozen=True)
class PowerState:
    """`whole`: every process is there. `comes`: what is missing may still come by itself."""

    expected: str
    shown: str
    whole: bool
    comes: bool = False
    autoscaled: bool = False


def process_state(shown: Mapping[str, Any]) -> PowerState:
    """Of the testbed's answer. One gateway of several is ready too: all of them must be on."""
    power = str(shown.get("power", "unknown"))
    return PowerState("power on", f"power {power}", power == "on")


def kubernetes_state(deployments: Deployments, before: Mapping[str, int]) -> PowerState:
    """Of a cluster: replicas asked for and available, as before or as an autoscaler has them.

    Raises FaultError.
    """
    asked, available = deployments.replicas(), deployments.available()
    whole, comes, scaled = True, True, False
    bounds = deployments.autoscaled() if asked != dict(before) else {}
    for name, count in before.items():
        low, high = bounds.get(name, (count, count))
        as_before = asked[name] == count
        scaled = scaled or not as_before
        if not as_before and not low <= asked[name] <= high:
            whole = comes = False
        whole = whole and available[name] >= asked[name]
    shown = f"replicas {_counts(asked)}"
    if available != asked:
        shown += f", available {_counts(available)}"
    return PowerState(
        f"replicas {_counts(before)}", shown, whole, comes and not whole, scaled and whole
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
