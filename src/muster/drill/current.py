"""The drill of this process, of which there is at most one. Activities find it here.

Separate from the session, so that Chaos Toolkit's start imports very little.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from muster.errors import DrillAborted

if TYPE_CHECKING:
    from muster.drill.session import Session

_current: Session | None = None
_last_bundle: Path | None = None


def current() -> Session:
    """The session of this process. Raises DrillAborted if there is none.

    Without its control a drill has no session, and then no activity may change anything.
    """
    if _current is None:
        raise DrillAborted(
            "action:no_session",
            "no drill is running in this process: its control muster.controls.drill did not start",
        )
    return _current


def install(session: Session | None) -> None:
    """Make `session` the current one; None removes it."""
    global _current, _last_bundle
    if session is not None:
        _last_bundle = session.bundle
    _current = session


def last_bundle() -> Path | None:
    """The bundle of the drill that this process runs or has run; None if there was none."""
    return _last_bundle


def installed() -> Session | None:
    """The current session, or None."""
    return _current
