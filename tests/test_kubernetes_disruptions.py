"""Disruptions of pods on a real API server: the port's suite, and what only a real one shows.

kwok's nodes have no kubelet: where pods of a flawed release matter, a test plays it. What goes
wrong goes wrong on the way: a front passes every call on, and spoils it as told.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from conformance.cluster import CHECKS, World
from conformance.world import REGION, Trouble
from floor_fixtures import a_target, await_true, kubeconfig, stand_in
from kubernetes_world import Live, Namespace, access
from test_conformance_cluster import WAYS, way_of

from muster import home
from muster.faults.region_partition import RegionPartition
from muster.platform import platform_of
from muster.platform.cluster import Disruption
from muster.platform.cluster.flawed_release import IMAGE, MARK
from muster.platform.cluster.kubernetes import ClusterByKubernetes
from muster.platform.kubernetes import cluster as calls
from muster.platform.partition.network_policy import POLICIES, PartitionByNetworkPolicy
from muster.platform.port import PortError, Touch
from muster.targets.cluster import KubernetesCluster
from muster.targets.partition import NetworkPolicyPartition
from muster.testbed.kubernetes.kwok import NEVER_READY

pytestmark = pytest.mark.kubernetes
GATEWAY = "deployment/gateway"
TAINT = "muster.test/own"
LATE_S, CALL_S = 1.0, 60.0
HELD_S_MAX = 20.0
BY_HAND = {NEVER_READY: "a test plays the kubelet"}


@pytest.fixture(autouse=True)
def unpaced(monkeypatch) -> None:
    """No other user of this API server could be slowed down."""
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    monkeypatch.delenv("HTTP_PROXY", raising=False)


class Kubelet:
    """Runs every scheduled pod of a namespace; one of a flawed release as its flaw wants it."""

    def __init__(self, space: Namespace) -> None:
        self._space = space
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._end.wait(0.2):
            for pod in self._space.pods():
                shown = pod["status"].get("containerStatuses")
                if pod["spec"].get("nodeName") and not shown:
                    self._report(pod)

    def _report(self, pod: dict[str, Any]) -> None:
        flawed = MARK in pod["metadata"].get("annotations", {})
        container = pod["spec"]["containers"][0]
        status = {"name": "c", "image": container["image"], "imageID": "", "restartCount": 0}
        if flawed and container["image"] == IMAGE:
            waits = {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}
            found = {"phase": "Pending", "containerStatuses": [status | {"ready": False}]}
            found["containerStatuses"][0]["state"] = waits
        else:
            ready = "False" if flawed else "True"
            runs = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
            found = {
                "phase": "Running",
                "conditions": [
                    {"type": kind, "status": ready} for kind in ("Ready", "ContainersReady")
                ],
                "containerStatuses": [status | runs | {"ready": not flawed}],
            }
        path = f"/api/v1/namespaces/{self._space.name}/pods/{pod['metadata']['name']}/status"
        # A pod that is gone meanwhile needs no status.
        self._space.live.http.request(
            "PATCH",
            path,
            json={"status": found},
            headers={"Content-Type": "application/merge-patch+json"},
        )


def nodes_of(space: Namespace) -> tuple[str, str]:
    """Two nodes that only pods of this test may use."""
    names = (f"{space.name}-a", f"{space.name}-b")
    for name in names:
        spec = {"taints": [{"key": TAINT, "value": space.name, "effect": "NoSchedule"}]}
        meta = {"name": name, "labels": {TAINT: space.name}}
        space.live.call("POST", "/api/v1/nodes", {"metadata": meta, "spec": spec})
        await_true(lambda name=name: ready(space.live, name), f"node {name}", 60)
    return names


def ready(live: Live, node: str) -> bool:
    found = live.call("GET", f"/api/v1/nodes/{node}")
    conditions = found.get("status", {}).get("conditions", ())
    shown = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    taints = found["spec"].get("taints", ())
    return shown and not any("not-ready" in one["key"] for one in taints)


def cordon(live: Live, node: str, value: bool | None) -> None:
    live.call("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": value}})


@contextmanager
def region_of(live: Live, way: str) -> Iterator[tuple[Namespace, tuple[str, str]]]:
    """A namespace with three gateways, on one of two nodes of its own where nodes matter."""
    space = live.namespace()
    names = ("none", "none")
    if way == "draining":
        names = nodes_of(space)
        tolerated = [{"key": TAINT, "operator": "Equal", "value": space.name}]
        cordon(live, names[1], True)
        on_it = {"nodeSelector": {TAINT: space.name}, "tolerations": tolerated}
        space.workload("gateway", 3, spec=on_it)
        cordon(live, names[1], None)
    elif way in ("readiness", "image"):
        space.workload("gateway", 3, notes=BY_HAND)
    else:
        space.workload("gateway", 3)
    try:
        with Kubelet(space).running():
            space.await_available("gateway", 3)
            yield space, names
    finally:
        for name in names if way == "draining" else ():
            live.call("DELETE", f"/api/v1/nodes/{name}")


def adapter(space: Namespace, node: str = "none", **more: Any) -> ClusterByKubernetes:
    section = access(space, workloads=[GATEWAY], node=node) | more
    return ClusterByKubernetes(REGION, KubernetesCluster.model_validate(section))


def uids(space: Namespace) -> set[str]:
    return {pod["metadata"]["uid"] for pod in space.pods()}


def template(space: Namespace) -> dict[str, Any]:
    found: dict[str, Any] = space.get("gateway")["spec"]["template"]
    return found


class Cluster(World):
    """A region of a real cluster, behind a front."""

    def __init__(
        self, way: str, space: Namespace, nodes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.way, self.space, self.node = way, space, nodes[0]
        self.touches = (Touch("namespaces", space.name),)
        if way == "draining":
            self.touches += (Touch("nodes", self.node),)
        self.first, self.template = uids(space), template(space)
        self.fails: Trouble | None = None
        self.call_s = CALL_S
        self.monkeypatch = monkeypatch
        self.released = threading.Event()
        self.shown: Any = None
        self.front = ""

    def passed_on(self, call):
        """The real answer."""
        kind = call.headers.get("Content-Type", "application/json")
        answer = self.space.live.http.request(
            call.method, call.path, content=call.body, headers={"Content-Type": kind}
        )
        # Not all of it is JSON: an unknown kind is answered by a text.
        return answer.status_code, answer.content

    def answer(self, call):
        """The API server behind its front."""
        if self.fails == "nonsense":
            return 200, None
        review = call.path.endswith("reviews")
        if call.method != "GET" and not review and self.fails:
            if self.fails == "refuses":
                return 403, {"kind": "Status", "status": "Failure", "message": "forbidden"}
            if self.fails == "late after":
                self.passed_on(call)
            self.released.wait(HELD_S_MAX)
            return 504, {"kind": "Status", "status": "Failure", "message": "too late"}
        return self.passed_on(call)

    @property
    def calls(self) -> int:
        return len(self.shown.calls)

    def adapter(self) -> ClusterByKubernetes:
        more = {"kubeconfig": self.front, "context": None, "timeout_s": self.call_s}
        return adapter(self.space, self.node, **more)

    def disruption(self) -> Disruption:
        return way_of(self.adapter(), self.way)

    def disrupted(self) -> bool:
        moved = uids(self.space) != self.first or template(self.space) != self.template
        ending = any("deletionTimestamp" in pod["metadata"] for pod in self.space.pods())
        return moved or ending or self._cordoned()

    def _cordoned(self) -> bool:
        if self.way != "draining":
            return False
        node = self.space.live.call("GET", f"/api/v1/nodes/{self.node}")
        return bool(node["spec"].get("unschedulable"))

    def whole(self) -> bool:
        assert not self._cordoned()
        await_true(lambda: len(self.space.pods()) == 3, "the end of the others", 60)
        self.space.await_available("gateway", 3)
        return template(self.space) == self.template

    def shows(self, before: dict[str, Any]) -> bool:
        await_true(lambda: self.disruption().look(before).proven, "the effect", 60)
        return True

    def trouble(self, kind) -> None:
        self.fails = kind
        late = kind in ("late before", "late after")
        self.call_s = LATE_S if late else CALL_S
        self.monkeypatch.setattr(calls, "CALL_S_MAX", self.call_s)

    def paste(self, line: str) -> None:
        """As kubectl would: there is none on every machine that tests."""
        live, kubectl = self.space.live, rf"kubectl -n {self.space.name} --kubeconfig \S+ "
        unmarked = rf"{kubectl}annotate node {self.node} muster/cordoned-by-"
        if re.fullmatch(rf"{kubectl}uncordon {self.node} && {unmarked}", line):
            cordon(live, self.node, None)
            return
        undo = re.fullmatch(kubectl + r"rollout undo deployment/gateway --to-revision=(\d+)", line)
        if undo:
            note = "deployment.kubernetes.io/revision"
            listed = live.call("GET", self.space.path("ReplicaSet"))["items"]
            (kept,) = [one for one in listed if one["metadata"]["annotations"][note] == undo[1]]
            containers = kept["spec"]["template"]["spec"]["containers"]
            back = {"metadata": {"annotations": {MARK: None}}, "spec": {"containers": containers}}
            path = self.space.path("Deployment", "gateway")
            live.call("PATCH", path, {"spec": {"template": back}})
            await_true(lambda: len(self.space.pods()) == 3, "the pods of before", 60)
            return
        assert re.fullmatch(kubectl + r"rollout status deployment/gateway --timeout=60s", line)


@pytest.fixture(params=WAYS)
def world(request, live, tmp_path, monkeypatch):
    with region_of(live, request.param) as (space, nodes):
        one = Cluster(request.param, space, nodes, monkeypatch)
        with stand_in(one.answer) as one.shown:
            one.front = str(kubeconfig(tmp_path / "kubeconfig", one.shown.url))
            yield one
            one.released.set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite, for every way."""
    check(world)


DOCUMENTS = list(
    yaml.safe_load_all((home.root() / "deploy/kubernetes/role.yaml").read_text(encoding="utf-8"))
)
ROLES = {one["metadata"]["name"]: one["rules"] for one in DOCUMENTS}
DRILL, FAULTS, NODES = (ROLES[f"muster-{name}"] for name in ("drill", "faults", "nodes"))


@pytest.mark.parametrize("way", WAYS)
def test_the_roles_of_the_documentation_are_enough(live, tmp_path, way):
    """With these rights alone it is rehearsed, done, seen, taken back and read back."""
    with region_of(live, way) as (space, nodes):
        own = space.kubeconfig_of(tmp_path, [*DRILL, *FAULTS], NODES)
        one = way_of(adapter(space, nodes[0], kubeconfig=own), way)
        assert one.rehearse() == ()
        before = one.before()
        one.apply(before)
        await_true(lambda: one.look(before).proven, "the effect", 60)
        one.revert(before)
        assert one.state(before).whole


NEEDED = {
    "killing": ("delete pods",),
    "draining": ("create pods/eviction", "get nodes", "list nodes", "patch nodes", "list pods"),
    "readiness": ("patch deployments", "list replicasets"),
    "image": ("patch deployments", "list replicasets"),
}


@pytest.mark.parametrize(("way", "right"), [(way, one) for way in WAYS for one in NEEDED[way]])
def test_each_right_that_is_missing_is_told(live, tmp_path, way, right):
    """By its verb and resource, and nothing is changed."""
    verb, _, resource = right.partition(" ")

    def less(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            rule
            if resource not in rule["resources"]
            else {**rule, "verbs": [one for one in rule["verbs"] if one != verb] or ["watch"]}
            for rule in rules
        ]

    with region_of(live, way) as (space, nodes):
        first = uids(space)
        own = space.kubeconfig_of(tmp_path, [*DRILL, *less(FAULTS)], less(NODES))
        said = way_of(adapter(space, nodes[0], kubeconfig=own), way).rehearse()
        assert any(f"no right to {verb} {resource}" in one for one in said), said
        assert uids(space) == first


def test_a_canary_with_the_same_labels_lives_on(live):
    """Its pods match the selector; their controller is another."""
    with region_of(live, "killing") as (space, _):
        space.workload("canary", 2, labels={"app": "gateway", "track": "canary"})
        canary = {pod["metadata"]["uid"] for pod in space.pods(track="canary")}
        one = adapter(space).killing(90, 1)
        before = one.before()
        one.apply(before)
        await_true(lambda: one.look(before).proven, "the end of the pods", 60)
        assert canary == {pod["metadata"]["uid"] for pod in space.pods(track="canary")}


def test_pods_that_are_killed_do_not_begin_their_own_grace(live):
    """A pod with a long one is gone soon, and replaced."""
    space = live.namespace()
    space.workload("gateway", 3, grace_s=600)
    one = adapter(space).killing(34, 1)
    before = one.before()
    one.apply(before)
    await_true(lambda: one.look(before).proven, "the end of the pod", 60)
    one.revert(before)
    assert len(uids(space)) == 3


def test_a_disruption_budget_is_honoured_by_a_drain(live):
    """Told in preflight; one after the other where it allows one; in time an error where none."""
    with region_of(live, "draining") as (space, nodes):
        base = f"/apis/policy/v1/namespaces/{space.name}/poddisruptionbudgets"
        spec = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "gateway"}}}
        live.call("POST", base, {"metadata": {"name": "all"}, "spec": spec})
        one = adapter(space, nodes[0], timeout_s=3).draining()
        await_true(lambda: "disruption budget" in " ".join(one.rehearse()), "the budget", 60)
        before, first = one.before(), uids(space)
        with pytest.raises(PortError, match=r"not drained in time: gateway-.*disruption budget"):
            one.apply(before)
        assert uids(space) == first
        one.revert(before)
        assert one.state(before).whole
        live.call("PATCH", f"{base}/all", {"spec": {"maxUnavailable": 1}})
        patient = adapter(space, nodes[0]).draining()
        await_true(lambda: patient.rehearse() == (), "the budget", 60)
        before = patient.before()
        patient.apply(before)
        assert patient.look(before).proven
        assert not uids(space) & first
        patient.revert(before)
        assert patient.state(before).whole


def test_pods_of_others_on_the_node_refuse_its_drain(live):
    """In another namespace too."""
    with region_of(live, "draining") as (space, nodes):
        other = live.namespace()
        spec = {"nodeName": nodes[0], "containers": [{"name": "c", "image": "none.invalid/none"}]}
        path = f"/api/v1/namespaces/{other.name}/pods"
        live.call("POST", path, {"metadata": {"name": "lone"}, "spec": spec})
        (said,) = adapter(space, nodes[0]).draining().rehearse()
        assert said.endswith(f"which a drain would evict: {other.name}/lone")


def test_a_node_that_somebody_else_cordons_anew_stays_so(live):
    """`kubectl uncordon` leaves the drill's mark; the API server's managed fields tell."""
    with region_of(live, "draining") as (space, nodes):
        one = adapter(space, nodes[0]).draining()
        before = one.before()
        one.apply(before)
        assert "is cordoned by the drill" in one.state(before).shown
        cordon(live, nodes[0], None)
        cordon(live, nodes[0], True)
        one.revert(before)
        node = live.call("GET", f"/api/v1/nodes/{nodes[0]}")
        assert node["spec"]["unschedulable"] is True
        assert "muster/cordoned-by" not in node["metadata"].get("annotations", {})
        state = one.state(before)
        assert (state.whole, state.another) == (
            True, f"node {nodes[0]} was cordoned by somebody else"
        )  # fmt: skip
        cordon(live, nodes[0], None)


@pytest.mark.parametrize("flaw", ["readiness", "image"])
def test_what_another_sets_on_a_flawed_release_stays(live, flaw):
    """Merged as kubectl does it: the flaw alone is taken back, and the rest is told."""
    with region_of(live, flaw) as (space, _):
        one = way_of(adapter(space), flaw)
        before = one.before()
        one.apply(before)
        assert one.look(before).another == ""
        path = space.path("Deployment", "gateway")
        containers = live.call("GET", path)["spec"]["template"]["spec"]["containers"]
        containers[0]["env"] = [{"name": "LEVEL", "value": "debug"}]
        live.call("PATCH", path, {"spec": {"template": {"spec": {"containers": containers}}}})
        assert "somebody else has changed the drill's release" in one.look(before).another
        one.revert(before)
        (kept,) = live.call("GET", path)["spec"]["template"]["spec"]["containers"]
        assert kept["env"] == containers[0]["env"]
        assert kept["image"] != IMAGE
        assert "somebody else has released another template" in one.state(before).another


@pytest.mark.parametrize("flaw", ["readiness", "image"])
def test_without_a_kubelet_no_flaw_is_proven(live, flaw):
    """kwok asks no probe and pulls no image: every pod becomes ready."""
    space = live.namespace()
    space.workload("gateway", 3)
    one = adapter(space).releasing(flaw)
    before, first = one.before(), template(space)
    one.apply(before)
    await_true(lambda: "became ready" in one.look(before).why, "the new pods", 60)
    assert not one.look(before).proven
    one.revert(before)
    assert one.state(before).whole
    assert template(space) == first


def test_an_api_server_that_stands_still_is_asked_again(live, monkeypatch):
    """In the middle of a revert; every call is given up and made again."""
    with region_of(live, "readiness") as (space, _):
        one, first = adapter(space).releasing("readiness"), template(space)
        before = one.before()
        one.apply(before)
        await_true(lambda: one.look(before).proven, "the effect", 60)
        monkeypatch.setattr(calls, "CALL_S_MAX", 1.0)
        failed: list[BaseException] = []

        def revert() -> None:
            try:
                one.revert(before)
            except BaseException as error:
                failed.append(error)

        with live.api_stopped() as go_on:
            reverting = threading.Thread(target=revert)
            reverting.start()
            time.sleep(5.0)
            go_on()
            reverting.join(timeout=120)
        assert not failed
        assert one.state(before).whole
        assert template(space) == first


def test_a_change_that_acts_late_does_not_win(live):
    """The version of what was read is refused once somebody else has changed the workload."""
    with region_of(live, "image") as (space, _):
        one = adapter(space).releasing("image")
        stale, containers = one._read(GATEWAY), template(space)["spec"]["containers"]
        space.scale("gateway", 2)
        with pytest.raises(calls.Conflict):
            one._patched(GATEWAY, stale, containers, "late")


def test_a_policy_that_nobody_enforces_is_said_so_and_removed(live, tmp_path):
    """kwok has no network: the API server takes it, and the region answers as before."""
    with region_of(live, "killing") as (space, _), stand_in(lambda call: (200, "")) as front:
        own = space.kubeconfig_of(tmp_path, [*DRILL, *FAULTS])
        section = access(space, kind="network_policy", workloads=[GATEWAY], kubeconfig=own)
        target = a_target(region={"ready_url": front.url, "partition": section})
        fault = RegionPartition(platform_of(target), REGION)
        assert fault.rehearse() == ()
        fault.undo_params()
        fault.apply()
        (made,) = live.call("GET", POLICIES.path(space.name))["items"]
        assert made["spec"]["podSelector"] == {"matchLabels": {"app": "gateway"}}
        proof = fault.observe()
        assert not proof.proven
        assert "no controller enforces it" in proof.why
        for _ in range(2):
            fault.revert()
        assert fault.left() == ("whole", "whole")
        assert live.call("GET", POLICIES.path(space.name))["items"] == []


def test_a_policy_that_lets_somebody_in_beside_it_is_told(live):
    """As the API server keeps it."""
    with region_of(live, "killing") as (space, _):
        spec = {"podSelector": {}, "ingress": [{}]}
        live.call("POST", POLICIES.path(space.name), {"metadata": {"name": "his"}, "spec": spec})
        section = access(space, kind="network_policy", workloads=[GATEWAY])
        settings = NetworkPolicyPartition.model_validate(section)
        (said,) = PartitionByNetworkPolicy(REGION, settings).rehearse()
        assert said.startswith("NetworkPolicy his lets somebody in")
