"""How far a drill may reach: what its target's `blast_radius` does not name, it may not touch."""

from __future__ import annotations

from muster.faults import Fault
from muster.targets import Target


def outside(target: Target, fault: Fault) -> str:
    """Which key of the blast radius `fault` would break, and by what; empty: none."""
    for touch in fault.touches():
        allowed: tuple[str, ...] = getattr(target.blast_radius, touch.kind)
        if touch.name not in allowed and (not touch.below or touch.below not in allowed):
            return f"blast_radius.{touch.kind} does not allow {touch.name} ({fault.subject})"
    return ""
