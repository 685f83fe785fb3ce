"""The partition adapter `network_policy` against its suite, with a stand-in for a cluster's API.

Whether anybody enforces a policy no API shows: that is for the look from outside.
"""

from __future__ import annotations

import re
import threading

import pytest
from cluster_stand_in import ClusterStandIn
from conformance.partition import CHECKS, World
from conformance.world import REGION, Trouble
from floor_fixtures import a_target, kubeconfig, stand_in
from test_conformance_cluster import LATE_S, quick

from muster.faults.region_partition import RegionPartition
from muster.platform import platform_of
from muster.platform.kubernetes import cluster as calls
from muster.platform.kubernetes.selectors import matches
from muster.platform.partition.network_policy import PartitionByNetworkPolicy
from muster.platform.port import PortError, Touch
from muster.targets.partition import NetworkPolicyPartition

__all__ = ["quick"]
WORKLOADS = ("deployment/gateway", "deployment/front")
NAMES = {f"muster-partition-{name.replace('/', '-')}" for name in WORKLOADS}


class Policies(World):
    """Two deployments that nobody keeps anyone from."""

    def __init__(self, path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = ClusterStandIn("chat")
        self.touches = (Touch("namespaces", "chat"),)
        for name in ("gateway", "front"):
            self.api.deployment(name, 2)
        self.fails: Trouble | None = None
        self.timeout_s = 10.0
        self.released = threading.Event()
        self.shown = None
        self.path = path
        self.monkeypatch = monkeypatch

    def answer(self, call):
        """The API, spoiled as told."""
        if self.fails == "nonsense":
            return 200, None
        if call.method in ("POST", "DELETE") and self.fails and "reviews" not in call.path:
            second = call.method == "POST" and call.json["metadata"]["name"].endswith("front")
            if self.fails == "refuses" or (self.fails == "half" and second):
                return 403, {"kind": "Status", "message": "forbidden"}
            if self.fails == "late after":
                self.api.answer(call)
            if self.fails.startswith("late"):
                self.released.wait(LATE_S * 2)
                return 504, {"kind": "Status", "message": "too late"}
        return self.api.answer(call)

    @property
    def calls(self) -> int:
        return len(self.shown.calls)

    def section(self) -> dict[str, object]:
        found = {"kind": "network_policy", "namespace": "chat", "kubeconfig": str(self.path)}
        return found | {"workloads": list(WORKLOADS), "timeout_s": self.timeout_s}

    def adapter(self) -> PartitionByNetworkPolicy:
        settings = NetworkPolicyPartition.model_validate(self.section())
        return PartitionByNetworkPolicy(REGION, settings)

    def is_now(self) -> str:
        there = {one["metadata"]["name"] for one in self.api.of("networkpolicies")}
        return "cut" if there == NAMES else "partly" if there else "whole"

    def trouble(self, kind) -> None:
        self.fails = kind
        late = kind in ("late before", "late after")
        self.timeout_s = LATE_S if late else 10.0
        self.monkeypatch.setattr(calls, "CALL_S_MAX", LATE_S if late else 10.0)

    def paste(self, line: str) -> None:
        """As kubectl would."""
        words = f"kubectl -n chat --kubeconfig {self.path} delete networkpolicy --ignore-not-found "
        found = re.fullmatch(re.escape(words) + "(.*)", line)
        assert found, line
        for name in found[1].split():
            del self.api.objects[f"{self.api.base('networkpolicies')}/{name}"]


@pytest.fixture
def world(tmp_path, monkeypatch, quick):
    one = Policies(tmp_path / "kubeconfig", monkeypatch)
    with stand_in(one.answer) as one.shown:
        kubeconfig(one.path, one.shown.url)
        yield one
        one.released.set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_network_policy(world, check):
    """Every check of the port's suite."""
    check(world)


def test_it_selects_the_workloads_own_pods_and_lets_nobody_in(world):
    """By the selector of each, for what comes in alone."""
    world.adapter().cut()
    specs = [one["spec"] for one in world.api.of("networkpolicies")]
    assert {"podSelector": {"matchLabels": {"app": "gateway"}}, "policyTypes": ["Ingress"]} in specs
    assert len(specs) == 2


def test_a_cut_that_would_meet_a_canary_is_refused(world):
    """A policy selects by labels alone, whoever controls a pod."""
    assert world.adapter().rehearse() == ()
    world.api.deployment("canary", 1, app="gateway", track="canary")
    (said,) = world.adapter().rehearse()
    assert said.startswith(
        "a NetworkPolicy for deployment/gateway would cut off pods of others too: canary-"
    )


@pytest.mark.parametrize(
    ("ingress", "labels", "refused"),
    [
        ([{}], {}, True),
        ([{"from": []}], {"app": "gateway"}, True),
        ([], {"app": "gateway"}, False),
        ([{}], {"app": "other"}, False),
    ],
)
def test_a_policy_that_lets_somebody_in_is_told(world, ingress, labels, refused):
    """Policies add up to what is allowed."""
    spec = {"podSelector": {"matchLabels": labels}, "ingress": ingress}
    world.api.put(
        f"{world.api.base('networkpolicies')}/his", {"metadata": {"name": "his"}, "spec": spec}
    )
    found = world.adapter().rehearse()
    assert any("NetworkPolicy his lets somebody in" in one for one in found) is refused
    assert world.is_now() == "partly"
    assert world.adapter().state() == "whole"


@pytest.mark.parametrize("verb", ["list", "create", "delete"])
def test_a_right_that_is_missing_is_told(world, verb):
    """Before anything is changed."""
    world.api.denied = {(verb, "networkpolicies")}
    assert f"no right to {verb} networkpolicies in namespace chat" in world.adapter().rehearse()


@pytest.mark.parametrize("status", [200, 503])
def test_a_policy_that_nobody_enforces_is_not_proven(world, status):
    """The API has it, and the region still answers: said in the proof."""
    with stand_in(lambda call: (status if world.is_now() == "cut" else 200, "")) as front:
        target = a_target(region={"ready_url": front.url, "partition": world.section()})
        fault = RegionPartition(platform_of(target), REGION)
        assert fault.bite_s_max == 10.0
        assert fault.rehearse() == ()
        fault.undo_params()
        fault.apply()
        proof = fault.observe()
        assert proof.proven is (status == 503)
        assert ("no controller enforces it" in proof.why) is (status == 200)
        fault.revert()
        assert world.is_now() == "whole"
        assert fault.left() == ("whole", "whole")


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        ({}, True),
        ({"matchLabels": {"app": "gateway"}}, True),
        ({"matchLabels": {"app": "gateway", "track": "canary"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["gateway"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["gateway"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "track", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "track", "operator": "Exists"}]}, False),
    ],
)
def test_label_selectors(selector, matched):
    """As the API means them."""
    assert matches(selector, {"app": "gateway"}) is matched


def test_an_operator_that_nobody_knows_is_an_error():
    """Never a match, and never none."""
    expression = {"key": "app", "operator": "Gt", "values": ["1"]}
    with pytest.raises(PortError, match="unknown operator 'Gt'"):
        matches({"matchExpressions": [expression]}, {"app": "gateway"})
