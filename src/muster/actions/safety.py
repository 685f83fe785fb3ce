"""Tests of the safety net, as Chaos Toolkit actions (imports as in `failover`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["freeze", "guard", "lock", "undo"]


@activity
def lock(session: Session) -> str:
    """Check that a second holder of the target's lock is refused, here and in its store."""
    from muster.drill.phases import safety

    safety.lock(session)
    return "looked"


@activity
def freeze(session: Session) -> str:
    """Check that the calendar refuses moments in a freeze and outside the allowed hours."""
    from muster.drill.phases import safety

    safety.freeze(session)
    return "looked"


@activity
def undo(session: Session) -> str:
    """Make a harmless change and restore it: undo log, effect, restore and read-back."""
    from muster.drill.phases import safety

    safety.undo(session)
    return "looked"


@activity
def guard(session: Session) -> str:
    """Let a planted breach trip a guard, which restores a harmless change; measure the time."""
    from muster.drill.phases import safety

    safety.guard(session)
    return "looked"
