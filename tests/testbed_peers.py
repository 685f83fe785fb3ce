"""Small testbeds for tests: real processes on a free block of ports, quick name service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dnslib

from muster import contract, targets, testbed
from muster.targets.model import Target
from muster.testbed.rig.state import State

SCALE = 0.002
"""40 streams of m3_20k: one gateway a region."""


def small_target(name: str, **changes: Any) -> Target:
    """The testbed's own target under another name: free ports, quick scrapes, TTL and probes."""
    target = targets.load("testbed")
    assert target.testbed is not None
    spec = target.testbed.model_copy(
        update={
            "port_base": 0,
            "scrape_interval_s": 0.2,
            "dns": target.testbed.dns.model_copy(update={"ttl_s": 1, "poll_s": 0.1}),
            "health_check": target.testbed.health_check.model_copy(
                update={"probe_interval_s": 0.2}
            ),
            "provider": target.testbed.provider.model_copy(
                update={
                    "first_token_s_mean": 0.05,
                    "first_token_s_max": 0.2,
                    "tokens_per_s": 330.0,
                    "chunk_s": 0.1,
                }
            ),
            **changes,
        }
    )
    return target.model_copy(update={"name": name, "testbed": spec})


def start(target: Target, *, defect: str | None = None, scale: float = SCALE) -> State:
    """Bring `target`'s testbed up for a sliver of m3_20k."""
    profile = contract.load().profiles["m3_20k"]
    return testbed.up(target, profile, scale=scale, seed=1, defect=defect, owner="test")


def until(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `holds` returns once it is true; fails the test when that does not come."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {holds}"
        time.sleep(0.02)
    return value


def alive(pid: int | None) -> bool:
    """Whether the process runs (a zombie does not)."""
    if pid is None:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def left_in(directory: Path) -> list[str]:
    """Every file and directory below `directory`."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def ask(state: State, name: str = "chat.muster.test", kind: str = "A", **how: Any) -> Any:
    """The DNS server's answer as dnslib's record."""
    host, _, port = state.endpoints["dns_server"].partition(":")
    query = dnslib.DNSRecord.question(name, kind)
    return dnslib.DNSRecord.parse(query.send(host, int(port), timeout=3, **how))


def region_of_answer(state: State) -> str:
    """The region that one query is sent to."""
    address = str(ask(state).rr[0].rdata)
    return next(
        name for name, facts in state.endpoints["regions"].items() if facts["address"] == address
    )


def pids(state: State) -> list[int]:
    """Every pid of the testbed, its supervisor's included."""
    return [state.pid, *(process.pid for process in state.processes if process.pid is not None)]


def descriptors() -> int:
    """Open files of this process."""
    return len(os.listdir("/proc/self/fd"))
