"""What one process of this machine may use, and how a process that holds many streams uses it."""

from __future__ import annotations

import gc
import resource
from contextlib import suppress


def raise_open_files() -> int:
    """Lift this process's limit of open files as far as it may go; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft


def spare_the_collector() -> None:
    """Look for cycles of garbage rarely: a stream's objects are freed by their counts.

    With ten thousand streams a full look takes tens of milliseconds, while all of them wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
