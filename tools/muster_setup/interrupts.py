"""Work that must not be cut off half way: a signal waits until it is done, then ends set-up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from .console import say

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held(what: str) -> Iterator[None]:
    """Signals that come while this is open end set-up when it closes (exit code 128 + signal)."""
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        if not came:
            say(f"{what} is being finished first, then set-up ends")
        came.append(number)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            raise SystemExit(128 + came[0])
