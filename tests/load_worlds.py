"""The places where a load may run, as worlds of the conformance suite."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.load_place import SECRET, World
from load_cluster import NAMESPACE, LoadCluster
from load_peers import Peer, peer

from muster.drill.load.place import LoadPlace
from muster.drill.load.pods import LoadInPods
from muster.drill.load.processes import LoadInProcesses
from muster.platform.kubernetes.load_job import LoadJob
from muster.targets.load_access import KubernetesLoad

DRILL = "20260101T000000Z-d-0000"
TOKEN = "${env.LOAD_TOKEN}"
LIFELINE_S = 15.0


@contextmanager
def endpoint() -> Iterator[Peer]:
    """A well-behaved endpoint in a thread."""
    ready = threading.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        found["stop"] = asyncio.Event()
        found["loop"] = asyncio.get_running_loop()
        async with peer() as one:
            found["peer"] = one
            ready.set()
            await found["stop"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield found["peer"]
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(30)


class Processes(World):
    """The machine that drills."""

    def __init__(self, one: Peer, bundle: Path) -> None:
        self.peer, self.bundle = one, bundle
        self.url = f"http://127.0.0.1:{one.port}/v1/chat/completions"
        self.places: list[LoadInProcesses] = []

    @property
    def requests(self) -> int:
        return self.peer.requests

    @property
    def alive(self) -> int:
        handles = [one._handle for one in self.places if one._handle is not None]
        return sum(handle.running() for handle in handles)

    def place(self) -> LoadPlace:
        self.places.append(LoadInProcesses())
        return self.places[-1]

    def kill(self, part: int) -> None:
        os.kill(self.places[-1].handed.pids[part], signal.SIGKILL)

    def forsake(self, place: LoadPlace) -> None:
        (only,) = self.places
        assert only._handle is not None
        for process in only._handle._processes:
            assert process.stdin is not None
            process.stdin.close()

    def close(self) -> None:
        """Nothing goes on."""
        for one in self.places:
            one.stop()


def section(**changes: Any) -> KubernetesLoad:
    """The section `load` of a target whose load runs in pods."""
    given: dict[str, Any] = {
        "kind": "kubernetes", "token": TOKEN, "canary_token": "${env.CANARY}", "parts": 2,
        "image": "muster-load:test", "secret": "tokens", "namespace": NAMESPACE,
        "lifeline_s": LIFELINE_S, "ready_s_max": 60,
    }  # fmt: skip
    return KubernetesLoad.model_validate({**given, **changes})


class Pods(World):
    """A cluster, or its stand-in."""

    def __init__(self, one: Peer, bundle: Path, cluster: LoadCluster, **changes: Any) -> None:
        self.peer, self.bundle, self.cluster = one, bundle, cluster
        self.url = f"http://127.0.0.1:{one.port}/v1/chat/completions"
        secret = {"LOAD_TOKEN": SECRET, "CANARY": "sk-canary"}
        cluster.secrets["tokens"] = {
            key: base64.b64encode(text.encode()).decode() for key, text in secret.items()
        }
        self.access = section(kubeconfig=cluster.kubeconfig, context="it", **changes)
        self.parts = self.access.parts
        self.intended: list[LoadJob] = []
        self.places: list[LoadInPods] = []

    @property
    def token(self) -> str:
        return TOKEN

    @property
    def requests(self) -> int:
        return self.peer.requests

    @property
    def alive(self) -> int:
        return sum(one.process.poll() is None for one in self.cluster.processes())

    def intend(self, job: LoadJob) -> None:
        """What the undo log gets, before there is a Job."""
        assert not self.cluster.jobs
        self.intended.append(job)

    def place(self) -> LoadPlace:
        self.places.append(LoadInPods(self.access, DRILL, self.bundle, self.intend))
        return self.places[-1]

    def kill(self, part: int) -> None:
        self.cluster.processes()[part].kill()

    def forsake(self, place: LoadPlace) -> None:
        self.places[-1]._keeper.close()

    def close(self) -> None:
        """Nothing goes on."""
        for one in self.places:
            one.stop()
