"""Checks a drill against its target's `blast_radius`, which names everything that may change."""

from __future__ import annotations

from muster.faults import Fault
from muster.targets import Target


def outside(target: Target, fault: Fault) -> str:
    """Which key of the blast radius `fault` would violate, and by what; empty if none."""
    touches = fault.touches()
    if not touches:
        return f"blast_radius cannot limit a fault that names no change ({fault.subject})"
    for touch in touches:
        named = getattr(target.blast_radius, touch.kind, ())
        allowed: tuple[str, ...] = named if isinstance(named, tuple) else ()
        if touch.name not in allowed and (not touch.below or touch.below not in allowed):
            return f"blast_radius.{touch.kind} does not allow {touch.name} ({fault.subject})"
    return ""
