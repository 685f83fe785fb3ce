"""How far a drill may reach: what its target's `blast_radius` does not name, it may not touch."""

from __future__ import annotations

from muster.faults import Fault
from muster.faults.safety_record import OWN_LABEL
from muster.targets import Target


def outside(target: Target, fault: Fault) -> str:
    """Which key of the blast radius `fault` would break, and by what; empty: none."""
    for touch in fault.touches():
        allowed: tuple[str, ...] = getattr(target.blast_radius, touch.kind)
        # The one record that a drill of the safety net writes stands below an allowed one.
        own = touch.name.removeprefix(f"{OWN_LABEL}.") if touch.kind == "records" else touch.name
        if own not in allowed:
            return f"blast_radius.{touch.kind} does not allow {touch.name} ({fault.subject})"
    return ""
