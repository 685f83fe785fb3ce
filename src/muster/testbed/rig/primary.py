"""What the Sentinel of a region knows: where the primary is, and whether it reaches the replica.

Sentinel looks for new replicas once in 10 s, so its open port does not yet mean that it would
promote one. And a restarted Toxiproxy has its proxies as they were planned, while Sentinel moves
an address only when it promotes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from muster.testbed.design.parts import LOCAL, ProcessSpec
from muster.testbed.rig.processes import Child, StartError
from muster.testbed.rig.toxiproxies import HEADERS, TIMEOUT_S

if TYPE_CHECKING:
    from redis.asyncio import Redis

POLL_S = 0.1
_UNFIT = {"s_down", "o_down", "disconnected"}


async def follow_primary(
    client: httpx.AsyncClient, sentinel: Child, toxiproxies: Sequence[ProcessSpec]
) -> None:
    """Move the proxies to Redis of `toxiproxies`. Raises StartError if that fails."""
    if sentinel.pid is None:
        return
    async with _asked(sentinel) as asked:
        shown: Any = await asked.sentinel_get_master_addr_by_name(str(sentinel.spec.region))
        if shown is None:
            raise ValueError("it watches no primary of that name")
        host, port = shown
    try:
        for spec in toxiproxies:
            url = f"{spec.admin_url}/proxies/{spec.proxies[0].name}"
            told = {"upstream": f"{host}:{port}"}
            moved = await client.post(url, json=told, headers=HEADERS, timeout=TIMEOUT_S)
            moved.raise_for_status()
    except httpx.HTTPError as error:
        raise StartError(f"{sentinel.spec.name}: {type(error).__name__} {error}") from error


async def await_replica(sentinel: Child, seconds_max: float) -> None:
    """Return once Sentinel reaches a replica. Raises StartError if the time is over first."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + seconds_max
    async with _asked(sentinel) as asked:
        while True:
            found: Any = await asked.sentinel_slaves(str(sentinel.spec.region))
            if any(not _UNFIT & set(one["flags"]) for one in found):
                return
            if loop.time() > end_s:
                raise StartError(f"{sentinel.spec.name}: no replica after {seconds_max:g} s")
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _asked(sentinel: Child) -> AsyncIterator[Redis]:
    """A connection to it. Raises StartError for what it does not answer."""
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    client = Redis(
        host=LOCAL, port=sentinel.spec.ports[0], decode_responses=True,
        socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S,
    )  # fmt: skip
    try:
        yield client
    except (RedisError, OSError, ValueError) as error:
        raise StartError(f"{sentinel.spec.name}: {type(error).__name__} {error}") from error
    finally:
        await client.aclose()
