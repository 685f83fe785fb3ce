"""Brings the records of parts into the bundle while they are written: a thread for each part.

A part writes its record to its standard output, so the API server hands it out as the pod's log.
Where the connection breaks it is read again from the last line on; a line is kept once.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.load.clocks import Offset, offset_of
from muster.load.recorder import BEGAN, ENDED, HEARD, LINE, NOTE
from muster.platform.port import PortError
from muster.redact import redacted

AGAIN_S = 1.0
OVERLAP_S = 5.0
WORDS_KEPT = 3
SAID_MAX = 200
Lines = Callable[[str], Iterator[bytes]]
"""What a part has written since a moment (RFC 3339; empty: all), and goes on to write."""


class PartRecord:
    """The record of one part, read along. `ended` is set once it is whole.

    `offset`: how far its clock is from the drill's, by the best of its words. `wrong_clock`: how
    its clock was wrong at any time, in words; empty: not that anybody knows.
    """

    def __init__(self, path: Path, lines: Lines, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._lines = lines
        self._clock = clock
        self._file: BinaryIO | None = None
        self._last_s = 0.0
        self._kept = -1
        self._words: deque[str] = deque(maxlen=WORDS_KEPT)
        self._over = threading.Event()
        self.began_at: float | None = None
        self.offset = Offset()
        self.wrong_clock = ""
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="muster-record", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def words(self) -> str:
        """What the part said last besides its record, redacted; empty if nothing."""
        return redacted(" / ".join(self._words))

    def close(self) -> None:
        """Read nothing any more; the thread ends with its connection."""
        self._over.set()

    def _run(self) -> None:
        with self._path.open("wb") as self._file:
            while not self._over.is_set() and not self.ended.is_set():
                try:
                    for line in self._lines(self._since()):
                        if self._over.is_set():
                            return
                        self.take(line)
                except PortError as error:
                    self._words.append(f"(its log: {str(error)[:SAID_MAX]})")
                self._clock.wait(self._over, AGAIN_S)

    def take(self, line: bytes) -> None:
        """One line of the pod's log."""
        try:
            found: Any = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict) or "shard" not in found:
            if text := line.decode("utf-8", "replace").strip()[:SAID_MAX]:
                self._words.append(text)
        elif found.get(NOTE) == ENDED:
            self.ended.set()
        elif found.get(NOTE) == HEARD:
            self._met(offset_of(float(found["at"]), float(found["sent"]), self._clock.now_s()))
        elif found.get(NOTE) == BEGAN:
            self.began_at = float(found["at"])
        elif NOTE not in found:
            self._keep(line, found.get(LINE), float(found.get("t", 0.0)))

    def _met(self, offset: Offset) -> None:
        if offset.error_s < self.offset.error_s:
            self.offset = offset
        self.wrong_clock = self.wrong_clock or offset.wrong

    def _keep(self, line: bytes, number: object, t_s: float) -> None:
        # Not by its time: a clock that is stepped back must not cost any. An image of before lines
        # had numbers has times alone.
        if isinstance(number, int):
            new, self._kept = number > self._kept, max(number, self._kept)
        else:
            new = t_s > self._last_s or t_s == self._last_s == 0.0
        if new:
            # Whoever writes of a moment that has not come is ahead, whatever his orders are.
            self._met(Offset(low_s=t_s - self._clock.now_s()))
            self._last_s = t_s or self._last_s
            if self._file is not None:
                self._file.write(line + b"\n")
                self._file.flush()

    def _since(self) -> str:
        if not self._last_s:
            return ""
        since = datetime.fromtimestamp(self._last_s - OVERLAP_S, UTC)
        return since.strftime("%Y-%m-%dT%H:%M:%SZ")
