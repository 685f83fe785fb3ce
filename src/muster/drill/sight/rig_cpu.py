"""CPU of the testbed and the load: points (100 is one core) over a phase.

Printed in the drill's own output, judged nowhere. On another target there are no own processes to
measure.
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
    """CPU seconds that each process has used; one that is gone (or without /proc) is left out."""
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
    """Points of CPU of the processes in both readings; None if there are none."""
    both = before.cpu_s.keys() & after.cpu_s.keys()
    seconds = after.at_s - before.at_s
    if not both or seconds <= 0:
        return None
    return 100 * sum(after.cpu_s[pid] - before.cpu_s[pid] for pid in both) / seconds
