"""A testbed's ports: one block of 100, always with the same offsets, outside the ephemeral range.

Outgoing connections take their source ports from the ephemeral range, so on a busy machine a
listener there may find its port in use. The last port of the block is bound for the testbed's whole
life, so that testbeds that start at the same time never choose the same block.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from muster.errors import BadInput
from muster.targets.testbed import LAST_PORT_BASE

BLOCK = 100
GUARD = 99
REGIONS_MAX = 3
REGION_FIRST, REGION_STEP = 10, 25
PROVIDER_FIRST, PROVIDER_ADMIN_FIRST = 85, 93
CHAT, DNS, DNS_ADMIN, PROMETHEUS, ROUTE53, CONTROL, TOXIPROXY_FRONT = 0, 1, 2, 3, 4, 5, 6
ETCD, ETCD_PEER, API_SERVER, KUBELET, KUBELET_HEALTH = 7, 8, 9, 97, 98
"""Of a testbed whose regions' parts are pods. Several Toxiproxies a region would need the first."""
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FREE_FIRST = 10_300
_FREE_TRIES = 200


@dataclass(frozen=True)
class Wish:
    """A port that a part of the testbed needs."""

    what: str
    host: str
    port: int
    udp: bool = False


@dataclass(frozen=True)
class Ports:
    """The block at `base`, by use. Regions, shards and providers count from 0."""

    base: int

    def fixed(self, offset: int) -> int:
        return self.base + offset

    def redis(self, region: int) -> int:
        return self._region(region)

    def redis_replica(self, region: int) -> int:
        """In the place of a fourth Toxiproxy, as the next one."""
        return self.toxiproxy(region, 3)

    def sentinel(self, region: int) -> int:
        return self.toxiproxy(region, 3) + 1

    def gateway_admin(self, region: int, index: int) -> int:
        return self._region(region) + 1 + index

    def toxiproxy(self, region: int, shard: int) -> int:
        return self._region(region) + 9 + 4 * shard

    def proxy(self, region: int, shard: int, which: int) -> int:
        return self.toxiproxy(region, shard) + 1 + which

    def provider(self, index: int, route: int) -> int:
        return self.base + PROVIDER_FIRST + 2 * index + route

    def provider_admin(self, index: int) -> int:
        return self.base + PROVIDER_ADMIN_FIRST + index

    def _region(self, region: int) -> int:
        return self.base + REGION_FIRST + REGION_STEP * region


def hold(base: int) -> socket.socket:
    """The guard port of the block at `base`, bound. Raises BadInput if it is in use."""
    wish = Wish("the guard of the testbed's ports", "127.0.0.1", base + GUARD)
    guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    guard.set_inheritable(False)
    try:
        guard.bind((wish.host, wish.port))
    except OSError as error:
        guard.close()
        raise taken(wish, error) from error
    return guard


def check(wishes: Iterator[Wish] | list[Wish]) -> None:
    """Raises BadInput naming the first port that is in use, the part that needs it and its
    holder.
    """
    for wish in wishes:
        kind = socket.SOCK_DGRAM if wish.udp else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as probe:
            if not wish.udp:
                # A port whose listener closed a moment ago does not count as in use.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((wish.host, wish.port))
                if not wish.udp:
                    probe.listen(1)
            except OSError as error:
                raise taken(wish, error) from error


def free_blocks(rng: random.Random | None = None) -> Iterator[int]:
    """Bases to try, in random order: a target may ask for any of them, and none is ephemeral."""
    low, high = _ephemeral()
    bases = [
        base
        for base in range(_FREE_FIRST, LAST_PORT_BASE + 1, BLOCK)
        if base + BLOCK <= low or base > high
    ]
    (rng or random.Random(os.urandom(8))).shuffle(bases)
    yield from bases[:_FREE_TRIES]


def taken(wish: Wish, error: OSError) -> BadInput:
    """The message for a port that could not be bound."""
    if isinstance(error, OSError) and error.errno in {49, 99}:
        return BadInput(
            "testbed address",
            "",
            wish.host,
            f"an address of this machine for {wish.what} (macOS: sudo ifconfig lo0 alias "
            f"{wish.host})",
        )
    holder = who_holds(wish.port, udp=wish.udp)
    held = f"taken by {holder}" if holder else "taken"
    return BadInput(
        f"port {wish.port}",
        "",
        held,
        f"it free for {wish.what} on {wish.host} (another block: testbed.port_base in the target)",
    )


def who_holds(port: int, *, udp: bool = False) -> str | None:
    """`name (pid)` of the process that holds `port` here, if /proc shows it; else None."""
    inodes = set(_inodes(port, ("udp", "udp6") if udp else ("tcp", "tcp6")))
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(descriptor) in inodes:
                        return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _inodes(port: int, tables: tuple[str, ...]) -> Iterator[str]:
    for table in tables:
        with suppress(OSError):
            for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
                fields = line.split()
                # Rows in TIME_WAIT have no process and inode 0.
                if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
                    yield f"socket:[{fields[9]}]"


def _ephemeral() -> tuple[int, int]:
    try:
        low, high = _EPHEMERAL.read_text().split()
        return int(low), int(high)
    except (OSError, ValueError):
        return 32_768, 65_535  # the widest range in use (on macOS it begins at 49152)
