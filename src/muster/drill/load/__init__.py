"""The background load of a drill, and the places where it may run."""

from __future__ import annotations

from muster.drill.load.drill_load import DrillLoad

__all__ = ["DrillLoad"]
