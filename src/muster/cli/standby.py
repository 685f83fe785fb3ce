"""`chaos drill standby`: restores from another machine what a drill left that died."""

from __future__ import annotations

import signal
import threading

import click


@click.command()
@click.option("--target", required=True, help="Target: a name in targets/, or a file.")
def standby(target: str) -> None:
    """Wait beside the drills of a target, and restore what one left whose machine is gone.

    Runs until it is ended by SIGTERM or Ctrl-C, on another machine, node or pod than the drills.
    It reads the target's shared store. Once a drill has left changes there and has not renewed its
    lock for one and a quarter leases, this restores them as `chaos drill recover` does.

    While it could restore now, it touches the file standby/TARGET in the state directory at each
    look: its age is the sign for a readiness probe.

    Exit code: 0 it was ended, 2 the target has no shared store.

    \b
    Example:
      chaos drill standby --target staging
    """
    from muster.drill.recover.standby import Standby

    waiting = Standby(target, say=click.echo)
    end = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda number, frame: end.set())
    waiting.run(end)
