"""Waits for a part of the testbed to be ready: for a limited time, and ends at once if it died."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx

from muster.testbed.rig.processes import Child, StartError

POLL_S = 0.05
_ASK_S_MAX = 2.0


async def await_ready(client: httpx.AsyncClient, child: Child, seconds_max: float) -> None:
    """Return once `child` is ready. Raises StartError if it died or the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds_max
    while True:
        if child.pid is None:
            raise StartError(f"{child.spec.name} ended while it started: {child.log_tail()}")
        ready = child.spec.ready
        if await (answers_2xx(client, ready) if isinstance(ready, str) else accepts(*ready)):
            return
        if loop.time() > end:
            raise StartError(
                f"{child.spec.name} not ready after {seconds_max:g} s: {child.log_tail()}"
            )
        await asyncio.sleep(POLL_S)


async def answers_2xx(client: httpx.AsyncClient, url: str | tuple[str, int]) -> bool:
    """Whether `url` answers 2xx now (an address: whether it accepts)."""
    if not isinstance(url, str):
        return await accepts(*url)
    try:
        return (await client.get(url, timeout=_ASK_S_MAX)).is_success
    except httpx.HTTPError:
        return False


async def accepts(host: str, port: int) -> bool:
    """Whether something accepts connections there now."""
    try:
        async with asyncio.timeout(_ASK_S_MAX):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
