"""How the gateway and the provider run as processes.

Configuration from one JSON file; one line `ready` on stdout when serving; SIGTERM and SIGINT end it
gracefully; it never outlives its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import uvloop

from muster.documents import Document, parse
from muster.errors import BadInput, MusterError
from muster.machine import raise_open_files, spare_the_collector, unpaced

BACKLOG = 4096
_PR_SET_PDEATHSIG = 1
ConfigT = TypeVar("ConfigT", bound=Document)


def read_config(path: Path, model: type[ConfigT]) -> ConfigT:
    """The JSON in `path` as a `model`. Raises BadInput."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadInput(path, "", str(error), "a readable JSON file") from error
    return parse(model, data, path)


def listener(key: str, address: tuple[str, int]) -> socket.socket:
    """A listening socket that further processes may share (SO_REUSEPORT). Raises BadInput."""
    host, port = address
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        unpaced(sock)  # accepted connections inherit this
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        wanted = f"a free address ({error.strerror})"
        raise BadInput(key, "", f"{host}:{port}", wanted) from error
    return sock


def die_with_parent(parent_pid: int | None) -> None:
    """Arrange for this process to be killed when its parent ends (Linux; else see `orphaned`)."""
    if parent_pid is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if orphaned(parent_pid):
        sys.exit(0)


def orphaned(parent_pid: int | None) -> bool:
    """Whether the parent that started this process has gone."""
    return parent_pid is not None and os.getppid() != parent_pid


def stop_event() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


def main(name: str, model: type[ConfigT], serve: Callable[[ConfigT], Awaitable[None]]) -> int:
    """Run `serve` under uvloop with the configuration that the command line names."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.json")
    arguments = parser.parse_args()
    try:
        config = read_config(arguments.config, model)
        raise_open_files()
        spare_the_collector()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_awaited(serve(config)))
    except MusterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


async def _awaited(work: Awaitable[None]) -> None:
    await work
