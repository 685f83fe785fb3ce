"""What the engines are measured on: the testbed's provider stub, straight, in two processes.

It draws each first token's delay from a seeded distribution and says in the answer's header what it
injected, so that an engine's own error is what it measured less that. It counts its open streams
and how late its own loop was: an engine is not asked how much it achieved.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROCESSES = 2
CHAT_PATH = "/v1/chat/completions"
_READY_S_MAX = 20.0
_SAMPLE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.M)


@dataclass(frozen=True)
class Reading:
    """The server's figures at one moment; `lag` counts loop beats by upper edge in seconds."""

    streams_open: float
    requests: float
    lag: dict[float, float]


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    pids: list[int]
    admin_ports: list[int]

    def read(self) -> Reading:
        """Sums over the processes."""
        streams, requests, lag = 0.0, 0.0, dict[float, float]()
        for port in self.admin_ports:
            address = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(address, timeout=10) as answer:
                page = answer.read().decode()
            for name, labels, value in _SAMPLE.findall(page):
                if name == "muster_provider_streams_open":
                    streams += float(value)
                elif name == "muster_provider_requests_total":
                    requests += float(value)
                elif name == "muster_rig_loop_lag_seconds_bucket":
                    edge = float(re.search(r'le="([^"]+)"', labels)[1])
                    lag[edge] = lag.get(edge, 0.0) + float(value)
        return Reading(streams, requests, lag)


def lag_p99_ms(before: Reading, after: Reading) -> float | None:
    """Edge under which 99 % of the beats between two readings were; None without any."""
    counts = {edge: count - before.lag[edge] for edge, count in after.lag.items()}
    total = counts.get(float("inf"), 0.0)
    for edge in sorted(counts):
        if total and counts[edge] >= 0.99 * total:
            return edge * 1000
    return None


def _free_ports(count: int) -> list[int]:
    """Free ports outside the range that connections come from, so that no client takes one."""
    found: list[int] = []
    for port in range(20_000, 32_000):
        with socket.socket() as one:
            try:
                one.bind(("", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free port from 20000 to 32000")


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """The server, ended with the block."""
    chat, *admin = _free_ports(PROCESSES + 1)
    children: list[subprocess.Popen[str]] = []
    try:
        for index, port in enumerate(admin):
            config = folder / f"provider-{index}.json"
            routes = {"primary": ["0.0.0.0", chat]}
            told = {"index": index, "routes": routes, "admin": ["127.0.0.1", port], "grace_s": 0}
            config.write_text(json.dumps(told))
            arguments = [sys.executable, "-m", "muster.testbed.provider", "--config", str(config)]
            children.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True))
        for child in children:
            assert child.stdout is not None
            if child.stdout.readline().strip() != "ready":
                raise OSError("the server did not come up")
        url = f"http://127.0.0.1:{chat}{CHAT_PATH}"
        yield Server(url, [child.pid for child in children], admin)
    finally:
        for child in children:
            child.terminate()
        until_s = time.monotonic() + _READY_S_MAX
        for child in children:
            try:
                child.wait(max(0.1, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
