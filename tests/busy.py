"""A busy machine: `nice`d loops that take what is left over, bounded, and ended by their pids."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOOP = """
import os, sys, time
os.nice(19)
parent, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while time.monotonic() < end and os.getppid() == parent:
    for _ in range(100_000):
        pass
"""
"""It ends with its parent, and by its own time."""


@contextmanager
def busy(loops: int, seconds_max: float) -> Iterator[list[int]]:
    """So many busy loops inside the block, at the lowest priority; their pids."""
    command = [sys.executable, "-c", LOOP, str(os.getpid()), str(seconds_max)]
    children: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(loops):
            children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        yield [child.pid for child in children]
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()
