"""What a process and all its children use, from /proc: CPU seconds and resident bytes."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_A_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def tree(pid: int) -> list[int]:
    """`pid` and everything below it that runs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def used(pids: list[int]) -> tuple[float, int]:
    """(CPU seconds so far, resident bytes now) of all of `pids` that run."""
    cpu_s, resident = 0.0, 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS_A_S
            resident += int(fields[21]) * _PAGE_BYTES
    return cpu_s, resident


def machine_busy_s() -> float:
    """CPU seconds that the whole machine has worked."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split(None, 10)[1:9]
    )
    return (user + nice + system + irq + softirq) / _TICKS_A_S


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state (index 0) on; None when it has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
