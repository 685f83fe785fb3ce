"""The rollback of every drill: restores whatever is still changed, whatever happened before."""

from __future__ import annotations

from chaoslib.exceptions import ActivityFailed

from muster.drill.current import installed
from muster.errors import MusterError

__all__ = ["restore_all"]


def restore_all() -> str:
    """Play the undo log backwards and read each entry back; there is nothing to do after a PASS.

    A drill that its control refused to begin has changed nothing, so there is nothing to restore.
    """
    session = installed()
    if session is None:
        return "no drill was begun: nothing was changed"
    from muster.drill.abort import restore_all as run_restore_all

    try:
        return run_restore_all(session)
    except MusterError as error:
        raise ActivityFailed(str(error)) from error
