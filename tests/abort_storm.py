"""Clients that abort streams in the middle, many a second, through a proxy: a process of its own.

    python abort_storm.py UPSTREAM_PORT PROXY_PORT ABORTS_PER_S

It serves endless streams on the first port, opens them through the second, resets each after a
moment, and ends with its standard input. It says `ready`, then `aborted` for every hundred.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys

CHUNK = b"data: x\n\n" * 40


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An endless stream, until the reader goes away."""
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while not writer.is_closing():
            writer.write(CHUNK)
            await writer.drain()
            await asyncio.sleep(0.01)
    writer.close()


async def abort(port: int) -> None:
    """One stream, opened and reset."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.15):
                await reader.read(64)
                await asyncio.sleep(0.05)
        writer.transport.abort()


async def main(upstream: int, proxy: int, per_s: float) -> None:
    """Abort until standard input ends."""
    server = await asyncio.start_server(stream, "127.0.0.1", upstream)
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    running: set[asyncio.Task[None]] = set()
    print("ready", flush=True)
    begun = 0
    while not ended.done():
        if len(running) < 400:
            begun += 1
            if begun % 100 == 0:
                print("aborted", flush=True)
            task = asyncio.create_task(abort(proxy))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(1 / per_s)
    for task in running:
        task.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
