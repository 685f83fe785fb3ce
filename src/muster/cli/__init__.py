"""`chaos drill …`. Chaos Toolkit imports this module at every start, so it imports nothing but click."""

from __future__ import annotations

import click


@click.group()
def drill() -> None:
    """Rehearse a regional failover and judge it."""
