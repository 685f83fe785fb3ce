"""A stream that nobody waits for: what is written is taken at once, and a thread writes it.

A paused pager, a stopped terminal or the laptop behind a connection may stop reading for hours. A
process that waited for them would neither guard nor restore.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from muster.clock import SYSTEM_CLOCK, Clock

PIECES_MAX = 10_000
"""What is kept for a reader that does not read; what is written after that is lost."""
DRAIN_S = 5.0
"""How long an end waits for its last lines to be read."""


class Unwaited:
    """Writes to the descriptor of a stream, in order."""

    def __init__(self, stream: IO[str], descriptor: int) -> None:
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self._terminal = stream.isatty()
        self._descriptor = descriptor
        # Its `put` may be interrupted by a signal handler that writes too.
        self._pieces: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="muster-said", daemon=True).start()

    def write(self, text: str) -> int:
        """Take `text`, or lose it: never wait."""
        if self._pieces.qsize() < PIECES_MAX:
            self._pieces.put(text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """What was taken is written as soon as it is read."""

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._terminal

    def drain(self, seconds_max: float, clock: Clock = SYSTEM_CLOCK) -> None:
        """Wait until everything that was taken is written, no longer than `seconds_max`."""
        written = threading.Event()
        self._pieces.put(written)
        clock.wait(written, seconds_max)

    def _run(self) -> None:
        while True:
            left = self._pieces.get()
            if isinstance(left, threading.Event):
                left.set()
                continue
            with suppress(OSError):  # its reader is gone, and so is this piece
                while left:
                    left = left[os.write(self._descriptor, left) :]


@contextmanager
def unwaited(stream: IO[str]) -> Iterator[IO[str]]:
    """`stream` in this block, and nobody waits for it; the same if it has no descriptor."""
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):  # not there, or no file
        yield stream
        return
    shown = Unwaited(stream, descriptor)
    try:
        yield cast("IO[str]", shown)
    finally:
        shown.drain(DRAIN_S)
