"""`chaos drill recover`: put back what a drill that is gone left changed."""

from __future__ import annotations

import click


@click.command()
@click.option("--target", default="testbed", show_default=True, help="Target name or file.")
@click.option(
    "--without-store",
    metavar="DRILL",
    help="The store does not answer: restore what DRILL left, from this machine's log alone.",
)
def recover(target: str, without_store: str | None) -> None:
    """Restore everything that earlier drills on the target left changed, from their undo logs.

    Idempotent. Exit 0 when nothing is left changed, 4 when all is back but could not be put on
    record, 5 when something could not be restored or a log could not be read.

    Where the target's shared store does not answer, it is not known whether another machine holds
    the target or has restored already, and nothing is touched. Whoever knows that none does may
    name the drill by --without-store; all back is then exit 4, since the store could not be told.
    """
    from muster.drill.recover.again import recover_target
    from muster.drill.recover.alone import recover_without_store

    if without_store is None:
        outcome = recover_target(target, say=click.echo)
    else:
        outcome = recover_without_store(target, without_store, say=click.echo)
    raise SystemExit(outcome)
