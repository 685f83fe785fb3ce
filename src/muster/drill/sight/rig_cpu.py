"""What the testbed and the load cost: points of CPU (100 is one core) over a phase.

Told in the drill's own output; judged nowhere. On another target there is nothing of ours to ask.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from muster.clock import SYSTEM_CLOCK, Clock

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuReading:
    """CPU seconds of each process at one moment of the monotonic clock."""

    at_s: float
    cpu_s: dict[int, float]


def read_cpu(pids: Iterable[int], clock: Clock = SYSTEM_CLOCK) -> CpuReading:
    """What each process has used so far; one that is gone (or no /proc) is left out."""
    found: dict[int, float] = {}
    for pid in pids:
        try:
            # The name may hold spaces and brackets: fields are counted behind it.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found[pid] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        except (OSError, IndexError, ValueError):
            continue
    return CpuReading(clock.monotonic_s(), found)


def points_between(before: CpuReading, after: CpuReading) -> float | None:
    """Points of CPU of the processes that both readings know; None when they know none."""
    both = before.cpu_s.keys() & after.cpu_s.keys()
    seconds = after.at_s - before.at_s
    if not both or seconds <= 0:
        return None
    return 100 * sum(after.cpu_s[pid] - before.cpu_s[pid] for pid in both) / seconds
