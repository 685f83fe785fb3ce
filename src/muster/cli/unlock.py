"""`chaos drill unlock`: break the lock that a lost machine still holds."""

from __future__ import annotations

import click


@click.command()
@click.option("--target", required=True, help="Target: a name in targets/, or a file.")
@click.option("--holder", required=True, help="Holder, as `chaos drill status` shows it.")
def unlock(target: str, holder: str) -> None:
    """Break the shared lock of a lost machine by hand.

    The output says what that breaks. You rarely need this: the lock of a lost machine expires with
    its lease, and `chaos drill recover` waits for that.

    \b
    Example:
      chaos drill unlock --target staging --holder HOLDER
    """
    from muster import targets
    from muster.drill.lock.readiness import unlock as break_lock

    for line in break_lock(targets.load(target), holder):
        click.echo(line)
