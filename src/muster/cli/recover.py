"""`chaos drill recover`: restores what a drill that died left changed."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--target", default="testbed", show_default=True, help="Target: a name in targets/, or a file."
)
@click.option(
    "--without-store",
    metavar="DRILL",
    help="If the store does not answer: restore what DRILL left, from this machine's log only.",
)
def recover(target: str, without_store: str | None) -> None:
    """Restore what earlier drills on a target left changed.

    Reads their undo logs and the target's shared store. It is safe to run it twice.

    If the shared store does not answer, nobody can tell whether another machine holds the target or
    has restored already. Nothing is changed then. If you know that no other machine does, name the
    drill with --without-store. The exit code is then 4, because the store could not be updated.

    Exit code: 0 everything is restored, 4 everything is restored but could not be recorded,
    5 something could not be restored or a log could not be read.

    \b
    Example:
      chaos drill recover --target staging
    """
    from muster.drill.recover.again import recover_target
    from muster.drill.recover.alone import recover_without_store

    if without_store is None:
        outcome = recover_target(target, say=click.echo)
    else:
        outcome = recover_without_store(target, without_store, say=click.echo)
    raise SystemExit(outcome)
