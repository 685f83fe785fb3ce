"""What runs in a pod of the tests: `streaming_pod.py PORT DRAIN_S NAME`, like a gateway.

`/` is its readiness. `/stream` goes on until the server ends. `/eat` takes memory until it is
killed. After SIGTERM it accepts nobody, goes on with its streams for DRAIN_S, ends them whole
(their last line is `end`), and exits. NAME is only for whoever looks for the process.
"""

from __future__ import annotations

import asyncio
import signal
import sys

APART_S = 0.05
EATEN = 16 * 1024 * 1024


async def main() -> None:
    """Serve until SIGTERM and the drain after it."""
    port, drain_s = int(sys.argv[1]), float(sys.argv[2])
    drained, told = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    streams: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1:2]
        while (await reader.readline()).strip():
            pass
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        if path == [b"/eat"]:
            eaten = []
            while True:
                eaten.append(b"x" * EATEN)
        if path == [b"/stream"]:
            task = asyncio.current_task()
            assert task is not None
            streams.add(task)
            while not drained.is_set():
                writer.write(b"tick\n")
                await writer.drain()
                await asyncio.sleep(APART_S)
            writer.write(b"end\n")
        writer.close()
        await writer.wait_closed()

    # A pod's replacement starts while the pod drains, in the same network.
    server = await asyncio.start_server(answer, "127.0.0.1", port, reuse_port=True)
    await told.wait()
    server.close()
    await asyncio.sleep(drain_s)
    drained.set()
    if streams:
        await asyncio.wait(streams)


asyncio.run(main())
