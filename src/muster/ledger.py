"""The ledger: what a drill did and observed, in order, each line on disk before the drill goes on.

Every line has `seq` (from 1, without gaps), `t` (seconds since the epoch) and `event`, and ends
with `chain`: the SHA-256, in hex, of the previous line's `chain` followed by this line's own bytes
up to its `chain`. A line that was changed, removed, added or moved afterwards therefore breaks the
chain at its place. A line that a crash cut off is no part of the chain and breaks nothing. A ledger
without `chain`, written by an older version, is read as it is; if a newer version continues it, the
chain begins with the SHA-256 of the lines before.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import BadInput
from muster.jsonl import LogLost, SyncedLog, line_of, read_lines
from muster.redact import redacted_data

CHAIN_START = hashlib.sha256(b"").hexdigest()
"""What the first line's `chain` follows: the digest of no line at all."""

_CHAIN = re.compile(rb',"chain":"([0-9a-f]{64})"}\Z')
BROKEN_CHAIN = "a line was changed, removed, added or moved after it was written"


class Ledger:
    """The writer of the ledger. Threads may share it. An existing ledger is continued."""

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        # Opened before it is read: opening ends a torn line, and so may make it complete.
        self._log = SyncedLog(path)
        read = read_ledger(path)
        self._seq = len(read.events)
        self._head = read.head
        self._clock = clock
        self._lock = threading.Lock()
        self._unsure = False
        self.path = path

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Record `event`; returns the line, without `chain`, once it is on disk. Raises LogLost."""
        with self._lock:
            if self._unsure:
                self._head = _head_on_disk(self.path)
                self._unsure = False
            self._seq += 1
            kept = {key: redacted_data(value) for key, value in fields.items()}
            record = {"seq": self._seq, "t": self._clock.now_s(), "event": event, **kept}
            try:
                body = line_of(record)
            except (TypeError, ValueError):
                # Nothing was written, so no line is missing; after LogLost the gap in `seq` shows
                # it.
                self._seq -= 1
                raise
            head = _next(self._head, body)
            # Until the line is known to be on disk, it is unknown which line the next one follows.
            self._unsure = True
            self._log.append_line(body[:-1] + b',"chain":"' + head.encode() + b'"}')
            self._head, self._unsure = head, False
            return record

    def close(self) -> None:
        """Close the ledger."""
        self._log.close()


@dataclass(frozen=True)
class LedgerRead:
    """A ledger's events; `torn` if lines are missing, cut off or out of order.

    `broken_at`: the number of the first line that does not follow from the one before, None if the
    chain holds or the ledger has none. `head`: the last line's `chain`, as hex. `chained`: the
    first line has a chain, so no older version began the ledger.
    """

    events: tuple[dict[str, Any], ...]
    torn: bool
    broken_at: int | None = None
    head: str = CHAIN_START
    chained: bool = False

    @property
    def broken(self) -> bool:
        """Whether the chain shows that lines differ from what was written."""
        return self.broken_at is not None

    def of(self, event: str) -> tuple[dict[str, Any], ...]:
        """The events of that name, in order."""
        return tuple(record for record in self.events if record.get("event") == event)


def read_ledger(path: Path) -> LedgerRead:
    """The ledger at `path`, up to its last whole line. Raises BadInput if it cannot be read."""
    lines = read_lines(path)
    broken_at, head = _follow(lines.raw)
    whole = [
        {key: value for key, value in record.items() if key != "chain"}
        for record in lines.records
        if "seq" in record and "event" in record
    ]
    in_order = all(record["seq"] == index for index, record in enumerate(whole, start=1))
    torn = lines.torn or not in_order or len(whole) != len(lines.records)
    chained = any("chain" in record for record in lines.records[:1])
    return LedgerRead(tuple(whole), torn, broken_at, head, chained)


def _next(head: str, body: bytes) -> str:
    return hashlib.sha256(head.encode() + body).hexdigest()


def _follow(lines: Sequence[bytes]) -> tuple[int | None, str]:
    """The first line that breaks the chain, from 1, and the head after the last line.

    Lines before the chain's first are an older version's; the chain begins with their digest.
    """
    before = hashlib.sha256()
    head: str | None = None
    broken_at: int | None = None
    for number, line in enumerate(lines, start=1):
        found = _CHAIN.search(line)
        if found is None:
            if head is None:
                before.update(line + b"\n")
            else:
                broken_at = broken_at or number
            continue
        told = found[1].decode()
        follows = before.hexdigest() if head is None else head
        if _next(follows, line[: found.start()] + b"}") != told:
            broken_at = broken_at or number
        # Continue from the chain that the line states, so that the lines after a broken one are
        # still checked.
        head = told
    return broken_at, before.hexdigest() if head is None else head


def _head_on_disk(path: Path) -> str:
    """The head that the next line follows, after a write that failed somewhere in its line.

    Raises LogLost. The next write ends such a line first; if only its line end was missing, the
    line counts from then on.
    """
    try:
        return _follow(read_lines(path, unended=True).raw)[1]
    except BadInput as error:
        raise LogLost(str(error)) from error
