"""How many streams this machine holds, limit by limit, before anything is started. Pure.

Load, platform and provider all stand on the machine, so it is the testbed that has these bounds.
More than fits is refused with the largest scale that does; what the machine holds and yet does not
carry in time is found by the loop lag of the run itself.
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
"""Measured over all processes: 0.72 GB at 10,000 streams, 0.89 at 20,000; the rest is for the end
of a region, when twice as many clients stand for a moment, and for the drill and its report."""
STREAMS_PER_CORE = 10_000
"""Measured: 20,000 streams took two cores 130 points of 200, and a whole drill with them passed."""


@dataclass(frozen=True)
class Capacity:
    """Streams that each limit allows; the least of them is what fits."""

    streams_by: dict[str, int]

    @property
    def bound_by(self) -> str:
        """The limit that binds first."""
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
    """What `machine` holds when a region must be able to take all streams and somewhat more."""
    room = math.floor(limits.fds_max * limits.fds_share) - FDS_BASE
    processes = {
        "gateway": limits.gateways_max,
        "toxiproxy": limits.toxiproxies_max,
        "provider": limits.providers_max,
    }
    by_files = min(count * room / FDS_PER_STREAM[kind] for kind, count in processes.items())
    # A region is reached at several addresses, each a destination; see `shape.PORTS_SHARE`.
    by_ports = ADDRESSES_MAX * machine.ports * PORTS_SHARE
    by_memory = (machine.memory_bytes - BYTES_BASE) / BYTES_PER_STREAM
    peaks = {"open files": by_files, "ports": by_ports, "memory": by_memory}
    held = {limit: max(0, int(peak / limits.streams_factor)) for limit, peak in peaks.items()}
    return Capacity({**held, "cores": machine.cores * STREAMS_PER_CORE})


def check(profile: LoadProfile, scale: float, machine: Machine, limits: Limits) -> Capacity:
    """What fits. Raises BadInput, with the largest scale that does, when the load is more."""
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
