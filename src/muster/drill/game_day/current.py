"""The day of this process, of which there is at most one. Its activities find it here.

Separate from `run`, so that Chaos Toolkit's start imports very little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.errors import DrillAborted

if TYPE_CHECKING:
    from muster.drill.game_day.run import DayRun

_current: DayRun | None = None
_asked = False


def install(run: DayRun | None) -> None:
    """Make `run` the current day; None removes it."""
    global _current
    _current = run


def control_is_asked() -> None:
    """Remember that the day's control is there: it begins the day, or says why not."""
    global _asked
    _asked = True


def installed() -> DayRun | None:
    """The current day, or None."""
    return _current


def control_was_asked() -> bool:
    """Whether the control of a day was asked in this process."""
    return _asked


def current() -> DayRun:
    """The current day. Raises DrillAborted if there is none."""
    if _current is None:
        said = "no day runs in this process: its control muster.controls.game_day did not start"
        raise DrillAborted("action:no_day", said)
    return _current
