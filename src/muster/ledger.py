"""The ledger: what a drill did and saw, in order, each line on disk before the drill goes on.

Every line has `seq` (from 1, without gaps), `t` (seconds since the epoch) and `event`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.jsonl import SyncedLog, read_lines
from muster.redact import redacted_data


class Ledger:
    """The writing end. Threads may share it. An existing ledger is continued."""

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        # Opened before it is read: opening ends a torn line, and so may make it whole.
        self._log = SyncedLog(path)
        self._seq = len(read_ledger(path).events)
        self._clock = clock
        self._lock = threading.Lock()
        self.path = path

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Record `event`; returns the line once it is on disk. Raises LogLost."""
        with self._lock:
            self._seq += 1
            kept = {key: redacted_data(value) for key, value in fields.items()}
            record = {"seq": self._seq, "t": self._clock.now_s(), "event": event, **kept}
            try:
                self._log.append(record)
            except (TypeError, ValueError):
                # Nothing was written, so no line is missing; after LogLost the gap says so.
                self._seq -= 1
                raise
            return record

    def close(self) -> None:
        """End the ledger."""
        self._log.close()


@dataclass(frozen=True)
class LedgerRead:
    """A ledger's events; `torn` when lines are missing, cut off or out of order."""

    events: tuple[dict[str, Any], ...]
    torn: bool

    def of(self, event: str) -> tuple[dict[str, Any], ...]:
        """The events of that name, in order."""
        return tuple(record for record in self.events if record.get("event") == event)


def read_ledger(path: Path) -> LedgerRead:
    """The ledger at `path`, up to its last whole line. Raises BadInput if it cannot be read."""
    lines = read_lines(path)
    whole = [record for record in lines.records if "seq" in record and "event" in record]
    in_order = all(record["seq"] == index for index, record in enumerate(whole, start=1))
    torn = lines.torn or not in_order or len(whole) != len(lines.records)
    return LedgerRead(tuple(whole), torn)
