"""The rollback of every drill: whatever is still changed goes back, whatever happened before."""

from __future__ import annotations

from muster.actions.wrap import activity
from muster.drill.abort import restore_all as run_restore_all
from muster.drill.session import Session

__all__ = ["restore_all"]


@activity
def restore_all(session: Session) -> str:
    """Play the undo log backwards and read each entry back; nothing to do after a PASS."""
    return run_restore_all(session)
