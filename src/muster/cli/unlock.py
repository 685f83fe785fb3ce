"""`chaos drill unlock`: break by hand the lock that a machine which is gone still holds."""

from __future__ import annotations

import click


@click.command()
@click.option("--target", required=True, help="Target name or file.")
@click.option("--holder", required=True, help="Who holds it, as `chaos drill status` shows.")
def unlock(target: str, holder: str) -> None:
    """Break the shared lock that HOLDER has on the target, and say what that breaks.

    A lock whose holder is gone runs out by itself after its lease; `recover` waits for that.
    """
    from muster import targets
    from muster.drill.lock.readiness import unlock as break_lock

    for line in break_lock(targets.load(target), holder):
        click.echo(line)
