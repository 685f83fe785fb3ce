"""Muster: controlled regional failover drills with a verdict that fails closed."""

from __future__ import annotations

from typing import Any


def discover(discover_system: bool = True) -> Any:
    """What `chaos discover chaostoolkit-muster` shows: every action and probe."""
    from muster.actions.discovery import discover as discover_activities

    return discover_activities()
