"""`python -m muster.testbed.dns --config FILE.json`: the testbed's name server as a process."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import orjson
import uvloop

from muster.documents import parse
from muster.errors import MusterError
from muster.testbed.dns.server import DnsConfig, NameServer

PARENT_POLL_S = 1.0


async def _run(config: DnsConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watcher = asyncio.create_task(_end_with_parent(config.parent_pid, stop))
    try:
        await NameServer(config).run(stop)
    finally:
        watcher.cancel()


async def _end_with_parent(parent_pid: int | None, stop: asyncio.Event) -> None:
    """For systems whose kernel does not do it."""
    while parent_pid is None or os.getppid() == parent_pid:
        await asyncio.sleep(PARENT_POLL_S)
    stop.set()


def main() -> int:
    """Serve until SIGTERM or SIGINT; exit 2 for a wrong configuration or an address in use."""
    parser = argparse.ArgumentParser(prog="python -m muster.testbed.dns")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.json")
    path: Path = parser.parse_args().config
    try:
        config = parse(DnsConfig, orjson.loads(path.read_bytes()), path)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(config))
    except MusterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
