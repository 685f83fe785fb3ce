"""The power adapter `kubernetes` against the suite, on a real API server.

What goes wrong goes wrong on the way: a front passes every call on, and spoils it as told.
"""

from __future__ import annotations

import json
import re
import threading

import pytest
from conformance.power import CHECKS, World
from conformance.world import REGION, Trouble
from floor_fixtures import await_true, kubeconfig, stand_in
from kubernetes_world import Live, access

from muster.platform.kubernetes import cluster as calls
from muster.platform.port import Touch
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower

pytestmark = pytest.mark.kubernetes
BEFORE = {"gateway": 3, "redis": 1}
WORKLOADS = tuple(f"deployment/{name}" for name in BEFORE)
LATE_S, CALL_S = 1.0, 60.0
HELD_S_MAX = 20.0


class Cluster(World):
    """Two deployments in a namespace of their own."""

    def __init__(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        self.space = live.namespace()
        self.touches = (Touch("namespaces", self.space.name),)
        for name, count in BEFORE.items():
            self.space.workload(name, count)
        self.fails: Trouble | None = None
        self.call_s = CALL_S
        self.monkeypatch = monkeypatch
        self.released = threading.Event()
        self.shown = None
        self.front = ""

    def passed_on(self, call):
        """The real answer."""
        kind = call.headers.get("Content-Type", "application/json")
        answer = self.space.live.http.request(
            call.method, call.path, content=call.body, headers={"Content-Type": kind}
        )
        return answer.status_code, json.loads(answer.content)

    def answer(self, call):
        """The API server behind its front."""
        if self.fails == "nonsense":
            return 200, None
        if call.method == "PATCH" and self.fails:
            name = call.path.split("/")[7]
            if self.fails == "refuses" or (self.fails == "half" and name != "gateway"):
                return 403, {"kind": "Status", "status": "Failure", "message": "forbidden"}
            if self.fails == "late after":
                self.passed_on(call)
            if self.fails.startswith("late"):
                self.released.wait(HELD_S_MAX)
                return 504, {"kind": "Status", "status": "Failure", "message": "too late"}
        return self.passed_on(call)

    @property
    def calls(self) -> int:
        return len(self.shown.calls)

    def adapter(self) -> PowerByKubernetes:
        section = access(self.space, workloads=WORKLOADS, timeout_s=self.call_s)
        section |= {"kubeconfig": self.front, "context": None}
        return PowerByKubernetes(REGION, KubernetesPower.model_validate(section))

    def state(self):
        asked = {name: self.space.asked(name) for name in BEFORE}
        if asked == BEFORE:
            for name, count in BEFORE.items():
                self.space.await_available(name, count)
            return "on"
        if any(asked.values()):
            return "partly"
        await_true(lambda: not self.space.pods(), "no pod")
        return "off"

    def put(self, state) -> None:
        for name, count in BEFORE.items():
            self.space.scale(name, count if state == "on" else 0)
        assert self.state() == state

    def trouble(self, kind) -> None:
        self.fails = kind
        late = kind is not None and kind != "nonsense"
        self.call_s = LATE_S if late else CALL_S
        self.monkeypatch.setattr(calls, "CALL_S_MAX", self.call_s)

    def paste(self, line: str) -> None:
        """As kubectl would: there is none on every machine that tests."""
        for one in line.split("; "):
            found = re.fullmatch(
                rf"kubectl -n {self.space.name} --kubeconfig {re.escape(self.front)} "
                r"scale deployment/(\w+) --replicas=(\d+)",
                one.strip(),
            )
            assert found, one
            self.space.scale(found[1], int(found[2]))


@pytest.fixture
def world(live, tmp_path, monkeypatch):
    cluster = Cluster(live, monkeypatch)
    with stand_in(cluster.answer) as cluster.shown:
        cluster.front = str(kubeconfig(tmp_path / "kubeconfig", cluster.shown.url))
        monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
        monkeypatch.delenv("HTTP_PROXY", raising=False)
        yield cluster
        cluster.released.set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)
