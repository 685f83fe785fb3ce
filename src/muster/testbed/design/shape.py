"""How many processes of each kind a load needs, from the open files each may hold.

A gateway holds a file for each client, and one for each of the connections to the provider that
many streams share; a proxy holds two for each of those, a provider one. A region must be able to
hold all streams of the load alone, and half as many more: what an abrupt loss cuts starts over at
once, and streams that are open are longer than most. No process is planned above four fifths of
what it may open. Few processes are best: each costs CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from muster.errors import BadInput

STREAMS_PER_CONNECTION = 100
"""To the provider, at the least: it takes 1,000, and no peer of HTTP/2 should take fewer."""
FDS_PER_STREAM = {
    "gateway": 1 + 1 / STREAMS_PER_CONNECTION,
    "toxiproxy": 2 / STREAMS_PER_CONNECTION,
    "provider": 1 / STREAMS_PER_CONNECTION,
}
FDS_BASE = 200
"""Files a process holds besides its streams: libraries, logs, Redis, listeners, scrapes."""
STREAMS_FOR_TWO_GATEWAYS = 1000
ADDRESSES_MAX = 8
"""At which a region is reached."""
PORTS_SHARE = 0.35
"""Of a destination's source ports. The kernel looks for a free one among half of them first: with
more in use than that half, each look costs 1 ms."""


class LoadProfile(Protocol):
    """What the testbed needs to know of a load profile (`muster.contract.Profile` has it)."""

    @property
    def name(self) -> str: ...
    @property
    def streams(self) -> int: ...
    @property
    def canaries_per_s(self) -> float: ...
    def arrivals_per_s(self, scale: float) -> float: ...


@dataclass(frozen=True)
class Limits:
    """What binds the shape. `streams_factor`: what a region may hold over all streams."""

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
    """The processes for `profile` at `scale`; `gateways` a region is computed when 0.

    Raises BadInput when the load needs more processes than a testbed has ports for, or `gateways`
    would each open more files than they may.
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
