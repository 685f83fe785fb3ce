"""How many processes of each kind a load needs, given the open files that each may have.

A gateway has one open file for each client, and one for each of the connections to the provider
that many streams share; a proxy has two for each of those, a provider one. A region must be able to
hold all streams of the load alone, and half as many more: what an abrupt loss cuts starts again at
once, and streams that are open at a given moment are longer than most. No process is planned above
four fifths of its limit. The fewest processes are best, because each costs CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from muster.errors import BadInput

STREAMS_PER_CONNECTION = 100
"""The minimum number of connections to the provider: it takes 1,000 streams each, and no HTTP/2
peer should take fewer.
"""
FDS_PER_STREAM = {
    "gateway": 1 + 1 / STREAMS_PER_CONNECTION,
    "toxiproxy": 2 / STREAMS_PER_CONNECTION,
    "provider": 1 / STREAMS_PER_CONNECTION,
}
FDS_BASE = 200
"""Open files of a process besides its streams: libraries, logs, Redis, listeners, scrapes."""
STREAMS_FOR_TWO_GATEWAYS = 1000
ADDRESSES_MAX = 8
"""The addresses at which a region is reached."""
PORTS_SHARE = 0.35
"""The usable share of a destination's source ports. The kernel searches half of them first: if more
than that half is in use, each search costs 1 ms.
"""


class LoadProfile(Protocol):
    """The part of a load profile (`muster.contract.Profile`) that the testbed needs."""

    @property
    def name(self) -> str: ...
    @property
    def streams(self) -> int: ...
    @property
    def canaries_per_s(self) -> float: ...
    def arrivals_per_s(self, scale: float) -> float: ...


@dataclass(frozen=True)
class Limits:
    """The limits of the shape. `streams_factor`: ratio of a region's capacity to all streams."""

    fds_max: int = 20_000
    fds_share: float = 0.8
    ports: int = 28_232
    streams_factor: float = 1.5
    gateways_max: int = 8
    toxiproxies_max: int = 4
    providers_max: int = 4


@dataclass(frozen=True)
class Shape:
    """Processes of a testbed; `fds` is the most open files by kind of process."""

    streams: int
    gateways_per_region: int
    toxiproxies_per_region: int
    providers: int
    fds: dict[str, int]
    addresses_per_region: int = 1


def shape(
    profile: LoadProfile, scale: float, limits: Limits | None = None, *, gateways: int = 0
) -> Shape:
    """The processes for `profile` at `scale`; the number of `gateways` in a region is computed if
    it is 0.

    Raises BadInput if the load needs more processes than a testbed has ports for, or if each of
    `gateways` would open more files than it may.
    """
    limits = limits or Limits()
    streams = max(1, round(profile.streams * scale))
    peak = math.ceil(streams * limits.streams_factor)

    def needed(kind: str) -> int:
        room = math.floor(limits.fds_max * limits.fds_share) - FDS_BASE
        return max(1, math.ceil(peak * FDS_PER_STREAM[kind] / room))

    def opened(kind: str, count: int) -> int:
        return FDS_BASE + math.ceil(peak / count * FDS_PER_STREAM[kind])

    if gateways and gateways < needed("gateway"):
        raise BadInput(
            "target",
            "testbed.gateways_per_region",
            gateways,
            f"at least {needed('gateway')} for {streams} streams, or 0",
        )
    counts = {
        "gateway": gateways
        or max(needed("gateway"), 2 if streams >= STREAMS_FOR_TWO_GATEWAYS else 1),
        "toxiproxy": needed("toxiproxy"),
        "provider": needed("provider"),
    }
    bounds = {
        "gateway": limits.gateways_max,
        "toxiproxy": limits.toxiproxies_max,
        "provider": limits.providers_max,
    }
    for kind, count in counts.items():
        if count > bounds[kind]:
            raise BadInput(
                "--scale",
                "",
                scale,
                f"a load of a testbed: {streams} streams need {count} processes of kind {kind}, "
                f"at most {bounds[kind]} fit",
            )
    return Shape(
        streams=streams,
        gateways_per_region=counts["gateway"],
        toxiproxies_per_region=counts["toxiproxy"],
        providers=counts["provider"],
        fds={kind: opened(kind, count) for kind, count in counts.items()},
        addresses_per_region=math.ceil(peak / (limits.ports * PORTS_SHARE)),
    )
