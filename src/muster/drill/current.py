"""The drill of this process: there is at most one, and this is how an activity finds it.

Stands apart from the session itself so that Chaos Toolkit's start imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.errors import DrillAborted

if TYPE_CHECKING:
    from muster.drill.session import Session

_current: Session | None = None


def current() -> Session:
    """The session of this process. Raises DrillAborted when there is none.

    Without its control a drill has no session: then no activity may touch anything.
    """
    if _current is None:
        raise DrillAborted(
            "action:no_session",
            "no drill is running in this process: its control muster.controls.drill did not start",
        )
    return _current


def install(session: Session | None) -> None:
    """Make `session` the current one (None: there is none any more)."""
    global _current
    _current = session


def installed() -> Session | None:
    """The current session, if there is one."""
    return _current
