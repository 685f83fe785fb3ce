"""The day's own ledger, `day.jsonl` in the day's directory: each line is on disk before it goes on.

It is a ledger as a drill has one, with a hash chain. A directory that holds it is no bundle.
"""

from __future__ import annotations

from typing import Any

from muster import home
from muster.bundle import DAY_LEDGER
from muster.clock import Clock
from muster.drill.game_day.model import Day
from muster.drill.game_day.progress import Progress, progress_of, unfinished
from muster.errors import MusterError
from muster.ledger import Ledger, LedgerRead, read_ledger

RESUME_S_MAX = 24 * 3600.0
"""An unfinished day that began longer ago is not continued: the platform is another by now."""


class Journal:
    """The ledger of the day `day_id`, for the one process that holds the day's lock."""

    def __init__(self, day_id: str, clock: Clock) -> None:
        """Begin it or continue it. Raises LogLost if it cannot be written."""
        self.day_id = day_id
        self.directory = home.out_dir() / day_id
        self._ledger = Ledger(self.directory / DAY_LEDGER, clock)

    def record(self, event: str, **fields: Any) -> None:
        """Write one line. Raises LogLost: nothing may go on unlogged."""
        self._ledger.append(event, **fields)

    @property
    def read(self) -> LedgerRead:
        """All of its lines so far."""
        return read_ledger(self._ledger.path)

    @property
    def progress(self) -> Progress:
        """How far the day is."""
        return progress_of(self.read.events)

    def close(self) -> None:
        """Close the file."""
        self._ledger.close()


def ended_of(day: Day, clock: Clock) -> frozenset[int]:
    """The drills that have ended already, by number, if the day would be continued."""
    found = to_continue(day, clock)
    if not found:
        return frozenset()
    events = read_ledger(home.out_dir() / found / DAY_LEDGER).events
    return frozenset(progress_of(events).ended)


def to_continue(day: Day, clock: Clock) -> str:
    """The id of the unfinished day of the same drills and settings; empty if there is none."""
    found: list[tuple[str, tuple[dict[str, Any], ...]]] = []
    for path in sorted(home.out_dir().glob(f"*/{DAY_LEDGER}")):
        if path.parent.is_symlink():
            continue
        try:
            read = read_ledger(path)
        except MusterError:
            continue
        # Of a day whose lines were changed nothing is believed; it is not continued.
        if not read.broken:
            found.append((path.parent.name, read.events))
    return unfinished(found, day.identity, clock.now_s() - RESUME_S_MAX)
