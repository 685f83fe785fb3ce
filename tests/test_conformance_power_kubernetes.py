"""The power adapter `kubernetes` against the suite, with a stand-in for a cluster's API."""

from __future__ import annotations

import re

import pytest
from api_world import ClusterWorld, served_as_cluster
from conformance.power import CHECKS, World, believes_no_nonsense
from conformance.world import REGION
from floor_fixtures import KubernetesStandIn

from muster.platform.port import Touch
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower

BEFORE = {"gateway": 3, "redis": 1}
WORKLOADS = tuple(f"deployment/{name}" for name in BEFORE)


class Cluster(ClusterWorld, World):
    """Two deployments in a namespace."""

    touches = (Touch("namespaces", "chat"),)

    def __init__(self) -> None:
        super().__init__()
        self.api = KubernetesStandIn(dict(BEFORE))
        self.nonsense = None

    def answer(self, call):
        """The cluster's API, where it goes wrong."""
        if self.fails == "nonsense":
            return 200, self.nonsense
        if call.method == "PATCH" and self.fails:
            name = call.path.split("/")[7]
            if self.fails == "refuses" or (self.fails == "half" and name != "gateway"):
                return 403, {"kind": "Status", "status": "Failure", "message": "forbidden"}
            if self.fails != "late before":
                self.api.answer(call)
            if self.fails.startswith("late"):
                self.hold()
        return self.api.answer(call)

    def adapter(self) -> PowerByKubernetes:
        settings = KubernetesPower(
            kind="kubernetes", namespace="chat", workloads=WORKLOADS, timeout_s=self.call_s
        )
        return PowerByKubernetes(REGION, settings)

    def state(self):
        if self.api.replicas == BEFORE:
            return "on"
        return "partly" if any(self.api.replicas.values()) else "off"

    def put(self, state) -> None:
        self.api.replicas.update(BEFORE if state == "on" else dict.fromkeys(BEFORE, 0))
        self.api.available = dict(self.api.replicas)

    def paste(self, line: str) -> None:
        """As kubectl would: there is none on every machine that tests."""
        for one in line.split("; "):
            found = re.fullmatch(
                r"kubectl -n chat scale deployment/(\w+) --replicas=(\d+)", one.strip()
            )
            assert found, one
            self.api.replicas[found[1]] = int(found[2])


@pytest.fixture
def world(tmp_path, monkeypatch):
    cluster = Cluster()
    with served_as_cluster(cluster, tmp_path, monkeypatch):
        yield cluster


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


@pytest.mark.parametrize("answer", [{}, [], "on", {"spec": None}, {"spec": {"replicas": "3"}}])
def test_an_answer_of_another_shape_is_refused(world, answer):
    """None of them is a deployment with replicas."""
    world.nonsense = answer
    believes_no_nonsense(world)
