"""`chaos drill recover`: put back what a drill that is gone left changed."""

from __future__ import annotations

import click


@click.command()
@click.option("--target", default="testbed", show_default=True, help="Target name or file.")
def recover(target: str) -> None:
    """Restore everything that earlier drills on the target left changed, from their undo logs.

    Idempotent. Exit 0 when nothing is left changed, 4 when all is back but could not be put on
    record, 5 when something could not be restored or a log could not be read.
    """
    from muster.drill.recover import recover_target

    outcome = recover_target(target, say=click.echo)
    raise SystemExit(outcome)
