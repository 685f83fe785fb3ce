"""The cluster adapters against their suite; `kubernetes` with a stand-in for a cluster's API.

The same checks on a real API server are in test_kubernetes_disruptions.py.
"""

from __future__ import annotations

import re
import threading
from typing import Any, get_args

import pytest
from cluster_stand_in import ClusterStandIn
from conformance.cluster import CHECKS, CHECKS_NOBODY, World
from conformance.world import REGION, SECRET, Trouble
from floor_fixtures import kubeconfig, stand_in

from muster.platform.cluster import Disruption
from muster.platform.cluster.kubernetes import ClusterByKubernetes
from muster.platform.cluster.none import ClusterOfNobody
from muster.platform.cluster.registry import CLUSTERS
from muster.platform.kubernetes import changes
from muster.platform.kubernetes import cluster as calls
from muster.platform.kubernetes import workloads as waits
from muster.platform.port import PortError, Touch
from muster.targets.cluster import KubernetesCluster, NoCluster

WAYS = ("killing", "draining", "readiness", "image")
LATE_S = 0.4
HELD_S_MAX = 20.0
NODE, OTHER_NODE = "node-1", "node-2"


class Cluster(World):
    """A deployment of three pods, all of them on the first of two nodes."""

    def __init__(self, way: str, path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.way = way
        self.api = ClusterStandIn("chat")
        self.touches = (Touch("namespaces", "chat"),)
        if way == "draining":
            self.touches += (Touch("nodes", NODE),)
        for name in (NODE, OTHER_NODE):
            self.api.node(name)
        self.api.deployment("gateway", 3)
        self.first = {pod["metadata"]["uid"] for pod in self.api.of("pods")}
        self.fails: Trouble | None = None
        self.timeout_s = 10.0
        self.released = threading.Event()
        self.shown: Any = None
        self.path = path
        self.monkeypatch = monkeypatch

    def answer(self, call):
        """The API, spoiled as told."""
        if self.fails == "nonsense":
            return 200, None
        review = call.path.endswith("reviews")
        if call.method != "GET" and not review and self.fails:
            if self.fails == "refuses":
                return 403, {"kind": "Status", "message": "forbidden"}
            if self.fails == "late after":
                self.api.answer(call)
            if "dryRun" not in call.path:
                self.released.wait(LATE_S * 2)
                return 504, {"kind": "Status", "message": "too late"}
        return self.api.answer(call)

    @property
    def calls(self) -> int:
        return len(self.shown.calls)

    def adapter(self) -> ClusterByKubernetes:
        settings = {"kind": "kubernetes", "namespace": "chat", "kubeconfig": str(self.path)}
        settings |= {"workloads": ["deployment/gateway"], "node": NODE}
        settings |= {"timeout_s": self.timeout_s}
        return ClusterByKubernetes(REGION, KubernetesCluster.model_validate(settings))

    def disruption(self) -> Disruption:
        return way_of(self.adapter(), self.way)

    def disrupted(self) -> bool:
        left = {pod["metadata"]["uid"] for pod in self.api.of("pods")}
        return not self.first <= left or bool(left - self.first) or self._cordoned()

    def whole(self) -> bool:
        (one,) = self.api.of("deployments")
        pods = self.api.of("pods")
        ready = [pod for pod in pods if pod["status"].get("conditions")]
        probe = one["spec"]["template"]["spec"]["containers"][0]
        assert probe == {"name": "c", "image": "a:1", "readinessProbe": {"periodSeconds": 3}}
        return len(pods) == len(ready) == 3 and not self._cordoned()

    def _cordoned(self) -> bool:
        return any(one["spec"].get("unschedulable") for one in self.api.of("nodes"))

    def trouble(self, kind) -> None:
        self.fails = kind
        late = kind in ("late before", "late after")
        self.timeout_s = LATE_S if late else 10.0
        self.monkeypatch.setattr(calls, "CALL_S_MAX", LATE_S if late else 10.0)

    def paste(self, line: str) -> None:
        """As kubectl would."""
        pasted(self.api, str(self.path), line)


def way_of(adapter: ClusterByKubernetes, way: str) -> Disruption:
    if way == "killing":
        return adapter.killing(34.0, 1)
    if way == "draining":
        return adapter.draining()
    return adapter.releasing(way)


def pasted(api: ClusterStandIn, path: str, line: str) -> None:
    kubectl = rf"kubectl -n chat --kubeconfig {re.escape(path)} "
    unmarked = rf"{kubectl}annotate node (\S+) muster/cordoned-by-"
    if found := re.fullmatch(rf"{kubectl}uncordon (\S+) && {unmarked}", line):
        node = api.objects[f"/api/v1/nodes/{found[1]}"]
        node["spec"].pop("unschedulable", None)
        del api.objects[f"/api/v1/nodes/{found[2]}"]["metadata"]["annotations"][
            "muster/cordoned-by"
        ]
        return
    if found := re.fullmatch(kubectl + r"rollout undo deployment/(\w+) --to-revision=(\d+)", line):
        (one,) = api.of("deployments")
        (kept,) = [
            one
            for one in api.of("replicasets")
            if one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == found[2]
        ]
        template = kept["spec"]["template"]
        one["spec"]["template"] = {
            "metadata": {"labels": {"app": "gateway"}},
            "spec": template["spec"],
        }
        api.reconcile()
        return
    assert re.fullmatch(kubectl + r"rollout status deployment/gateway --timeout=10s", line), line


class Nobody(World):
    """A region of which the target names no cluster."""

    calls = 0

    def adapter(self) -> ClusterOfNobody:
        return ClusterOfNobody(REGION, NoCluster())

    def disruption(self) -> Disruption:
        return self.adapter().draining()

    def disrupted(self) -> bool:
        return False

    def whole(self) -> bool:
        return True

    def trouble(self, kind) -> None:
        """There is nothing that could go wrong."""

    def paste(self, line: str) -> None:
        raise AssertionError(f"there is no such line: {line}")


@pytest.fixture
def quick(monkeypatch):
    """No other user of this stand-in could be slowed down."""
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    monkeypatch.setattr(waits, "AGAIN_S", 0.02)
    monkeypatch.setattr(waits, "LOOK_APART_S", 0.02)
    monkeypatch.setattr(changes, "LOOK_APART_S", 0.02)
    monkeypatch.delenv("HTTP_PROXY", raising=False)


@pytest.fixture(params=WAYS)
def world(request, tmp_path, monkeypatch, quick):
    one = Cluster(request.param, tmp_path / "kubeconfig", monkeypatch)
    with stand_in(one.answer) as one.shown:
        kubeconfig(one.path, one.shown.url)
        yield one
        one.released.set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_kubernetes(world, check):
    """Every check of the port's suite, for every way."""
    check(world)


@pytest.mark.parametrize("check", CHECKS_NOBODY, ids=lambda check: check.__name__)
def test_none(check):
    """Every check of an adapter that disrupts nothing."""
    check(Nobody())


def test_a_template_with_a_secret_leaves_the_cluster_nowhere(world):
    """Its environment holds one: the undo log has a digest alone."""
    (one,) = world.api.of("deployments")
    for found in (one, *world.api.of("replicasets")):
        found["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "K", "value": SECRET}]
    told = world.disruption()
    assert SECRET not in str((told.before(), told.change(), told.command(told.before())))


def test_a_context_that_leads_to_another_cluster_is_not_called_whole(world):
    """Workloads of the same names are whole there, and were never disrupted."""
    one = world.disruption()
    before = one.before()
    one.apply(before)
    other = ClusterStandIn("chat", uids="another")
    for name in (NODE, OTHER_NODE):
        other.node(name)
    other.deployment("gateway", 3)
    world.api = other
    for known in (one, world.disruption()):
        for call in (known.state, known.revert):
            with pytest.raises(PortError, match="another one than the drill has changed"):
                call(before)
    other.created = "2199-01-01T00:00:00Z"
    for found in other.of("deployments"):
        found["metadata"]["creationTimestamp"] = other.created
    if world.way in ("killing", "draining"):
        # Created anew since: it is what is there now.
        assert world.disruption().state(before).whole


def test_every_kind_of_a_target_has_its_adapter():
    """What a target may say is what the registry knows."""
    kinds = {
        get_args(one.model_fields["kind"].annotation)[0] for one in (NoCluster, KubernetesCluster)
    }
    assert kinds == set(CLUSTERS)
