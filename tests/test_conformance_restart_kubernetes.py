"""The restart adapter `kubernetes` against the suite, with a stand-in for a cluster's API."""

from __future__ import annotations

import pytest
from api_world import ClusterWorld, served_as_cluster
from conformance.restart import CHECKS, World
from floor_fixtures import KubernetesStandIn

from muster.platform.port import Touch
from muster.platform.restart.kubernetes import RestartByKubernetes
from muster.targets.restart import KubernetesRestart

NAME = "toxiproxy"


class Cluster(ClusterWorld, World):
    """A server that is the pods of a deployment."""

    touches = (Touch("namespaces", "chat"),)

    def __init__(self) -> None:
        super().__init__()
        self.api = KubernetesStandIn({NAME: 2})
        self.put = False

    def answer(self, call):
        """The cluster's API, where it goes wrong."""
        if self.fails == "nonsense":
            return 200, {"spec": {"replicas": "2"}}
        if call.method == "PATCH" and self.fails and self.fails != "half":
            if self.fails == "refuses":
                return 403, {"kind": "Status", "status": "Failure", "message": "forbidden"}
            if self.fails == "late after":
                self.api.answer(call)
            self.hold()
            return 503, {"kind": "Status", "status": "Failure", "message": "too late"}
        return self.api.answer(call)

    @property
    def restarts(self) -> int:
        return len(self.api.restarts.get(NAME, ()))

    def adapter(self) -> RestartByKubernetes:
        settings = KubernetesRestart(
            kind="kubernetes", namespace="chat", deployment=NAME, timeout_s=self.call_s
        )
        return RestartByKubernetes(settings)

    def answers(self) -> bool:
        return (self.put or self.restarts > 0) and not self.api.stuck

    def put_back(self) -> None:
        self.put = True

    def trouble(self, kind) -> None:
        super().trouble(kind)
        self.api.stuck = kind == "half"

    def paste(self, line: str) -> None:
        """As kubectl would: there is none on every machine that tests."""
        assert line == (
            f"kubectl -n chat rollout restart deployment/{NAME} && "
            f"kubectl -n chat rollout status deployment/{NAME} --timeout=60s"
        )
        self.api.restarts.setdefault(NAME, []).append("by hand")


@pytest.fixture
def world(tmp_path, monkeypatch):
    cluster = Cluster()
    with served_as_cluster(cluster, tmp_path, monkeypatch):
        yield cluster


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)
