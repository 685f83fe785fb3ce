"""The safety net drilled, as Chaos Toolkit actions (imports as in `failover`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session

__all__ = ["freeze", "guard", "lock", "undo"]


@activity
def lock(session: Session) -> str:
    """A second holder of the target's lock is refused, here and in its store."""
    from muster.drill.phases import safety

    safety.lock(session)
    return "looked"


@activity
def freeze(session: Session) -> str:
    """The calendar refuses moments in a freeze and outside the allowed hours."""
    from muster.drill.phases import safety

    safety.freeze(session)
    return "looked"


@activity
def undo(session: Session) -> str:
    """A harmless change goes through undo log, effect, restore and read-back."""
    from muster.drill.phases import safety

    safety.undo(session)
    return "looked"


@activity
def guard(session: Session) -> str:
    """A planted breach trips a guard and restores a harmless change, timed."""
    from muster.drill.phases import safety

    safety.guard(session)
    return "looked"
