"""How many streams this machine can hold, limit by limit, before anything is started. Pure.

Load, platform and provider all run on the machine, so the testbed has these limits. A load that
does not fit is refused with the largest scale that does. What the machine can hold but not serve in
time shows up as loop lag during the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from muster.errors import BadInput
from muster.machine import Machine
from muster.testbed.design.shape import (
    ADDRESSES_MAX,
    FDS_BASE,
    FDS_PER_STREAM,
    PORTS_SHARE,
    Limits,
    LoadProfile,
)

BYTES_BASE = 700 << 20
BYTES_PER_STREAM = 110_000
"""Measured over all processes: 0.72 GB at 10,000 streams, 0.89 at 20,000. The rest is for the end
of a region, when for a moment twice as many clients are connected, and for the drill and its
report.
"""
STREAMS_PER_CORE = 10_000
"""Measured: 20,000 streams took 130 of the 200 points of CPU of two cores, and a whole drill with
them passed.
"""


@dataclass(frozen=True)
class Capacity:
    """The streams that each limit allows; the smallest of them is the limit of all."""

    streams_by: dict[str, int]

    @property
    def bound_by(self) -> str:
        """The smallest limit."""
        return min(self.streams_by, key=lambda limit: self.streams_by[limit])

    @property
    def streams(self) -> int:
        """Streams that fit."""
        return self.streams_by[self.bound_by]

    def line(self) -> str:
        """All limits in one line."""
        shown = ", ".join(f"{limit} {streams:,}" for limit, streams in self.streams_by.items())
        return f"this machine holds {self.streams:,} streams ({shown})"


def capacity(machine: Machine, limits: Limits) -> Capacity:
    """The capacity of `machine` if a region must be able to take all streams and somewhat more."""
    room = math.floor(limits.fds_max * limits.fds_share) - FDS_BASE
    processes = {
        "gateway": limits.gateways_max,
        "toxiproxy": limits.toxiproxies_max,
        "provider": limits.providers_max,
    }
    by_files = min(count * room / FDS_PER_STREAM[kind] for kind, count in processes.items())
    # A region is reached at several addresses, each one a destination; see `shape.PORTS_SHARE`.
    by_ports = ADDRESSES_MAX * machine.ports * PORTS_SHARE
    by_memory = (machine.memory_bytes - BYTES_BASE) / BYTES_PER_STREAM
    peaks = {"open files": by_files, "ports": by_ports, "memory": by_memory}
    held = {limit: max(0, int(peak / limits.streams_factor)) for limit, peak in peaks.items()}
    return Capacity({**held, "cores": machine.cores * STREAMS_PER_CORE})


def check(profile: LoadProfile, scale: float, machine: Machine, limits: Limits) -> Capacity:
    """Check that the load fits. Raises BadInput, with the largest scale that does, if it does
    not.
    """
    fits = capacity(machine, limits)
    asked = round(profile.streams * scale)
    if asked > fits.streams:
        largest = math.floor(fits.streams / profile.streams * 1000) / 1000
        raise BadInput(
            "--scale",
            "",
            scale,
            f"at most {largest:g} on this machine: {asked:,} streams of {profile.name}, "
            f"{fits.streams:,} fit ({fits.bound_by})",
        )
    return fits
