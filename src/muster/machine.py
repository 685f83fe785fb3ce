"""The limits of this machine, and settings for a process that holds many streams."""

from __future__ import annotations

import gc
import os
import resource
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class SocketOptions(Protocol):
    """A socket, or an event loop's stand-in for one."""

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None: ...


PORTS_DEFAULT = 16_384
"""Source ports if the system does not say (IANA's dynamic range)."""


@dataclass(frozen=True)
class Machine:
    """Limits on the load that fits. `open_files` per process, `ports` per destination."""

    open_files: int
    ports: int
    memory_bytes: int
    cores: int


def measured() -> Machine:
    """This machine's current limits; memory is what is available, not what is installed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        open_files=hard if hard != resource.RLIM_INFINITY else 1 << 20,
        ports=_source_ports(),
        memory_bytes=_memory_bytes(),
        cores=_cores(),
    )


def _cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _source_ports() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        low, high = map(int, text.split())
    except (OSError, ValueError):
        return PORTS_DEFAULT
    return high - low + 1


def _memory_bytes() -> int:
    """Available memory (Linux), else all of it."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def raise_open_files() -> int:
    """Raise this process's limit of open files to its maximum; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft


def unpaced(sock: SocketOptions) -> None:
    """Use congestion control without pacing on a loopback socket; elsewhere the system decides.

    Loopback loses nothing, and the system's default (BBR) may pace: a timer for every send.
    """
    if hasattr(socket, "TCP_CONGESTION"):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")


def spare_the_collector() -> None:
    """Collect garbage cycles rarely: a stream's objects are freed by their reference counts.

    With ten thousand streams a full collection takes tens of milliseconds, during which all of them
    wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
