"""After a Toxiproxy was restarted, its proxy leads to where Sentinel says that the primary is.

Its proxies are created as they were planned, and Sentinel moves an address only when it promotes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from muster.testbed.design.parts import ProcessSpec
from muster.testbed.rig.processes import Child, StartError
from muster.testbed.rig.toxiproxies import HEADERS, TIMEOUT_S


async def follow_primary(
    client: httpx.AsyncClient, sentinel: Child, toxiproxies: Sequence[ProcessSpec]
) -> None:
    """Move the proxies to Redis of `toxiproxies`. Raises StartError if that fails."""
    if sentinel.pid is None or not isinstance(sentinel.spec.ready, tuple):
        return
    try:
        async with asyncio.timeout(TIMEOUT_S):
            address = await _primary(*sentinel.spec.ready, str(sentinel.spec.region))
        for spec in toxiproxies:
            url = f"{spec.admin_url}/proxies/{spec.proxies[0].name}"
            told = {"upstream": address}
            moved = await client.post(url, json=told, headers=HEADERS, timeout=TIMEOUT_S)
            moved.raise_for_status()
    except (OSError, TimeoutError, ValueError, httpx.HTTPError) as error:
        raise StartError(f"{sentinel.spec.name}: {type(error).__name__} {error}") from error


async def _primary(host: str, port: int, name: str) -> str:
    """The primary's `host:port`. Raises OSError, or ValueError for another answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"SENTINEL GET-MASTER-ADDR-BY-NAME {name}\r\n".encode())
        lines = [(await reader.readline()).decode().strip() for _ in range(5)]
    finally:
        writer.close()
    if lines[0] != "*2":
        raise ValueError(f"answers {lines[0]!r}")
    return f"{lines[2]}:{int(lines[4])}"
