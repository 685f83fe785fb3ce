"""The partition adapter `network_policy` against its suite, with a stand-in for a cluster's API.

Whether anybody enforces a policy no API shows: that is for the look from outside.
"""

from __future__ import annotations

import json
import re
import threading

import pytest
from cluster_stand_in import ClusterStandIn
from conformance.partition import CHECKS, World
from conformance.world import REGION, Trouble
from floor_fixtures import a_target, kubeconfig, stand_in
from test_conformance_cluster import LATE_S, quick

from muster.errors import BadInput
from muster.faults import fault_of, undo_params_of
from muster.faults.region_partition import RegionPartition
from muster.platform import platform_of
from muster.platform.kubernetes import cluster as calls
from muster.platform.kubernetes.selectors import matches
from muster.platform.partition.network_policy import MARK, PartitionByNetworkPolicy
from muster.platform.port import PortError, Touch
from muster.targets.partition import NetworkPolicyPartition
from muster.undo import UndoEntry

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
        self.namespace = "chat"
        self.named: tuple[str, ...] = WORKLOADS
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
        found = {
            "kind": "network_policy",
            "namespace": self.namespace,
            "kubeconfig": str(self.path),
        }
        return found | {"workloads": list(self.named), "timeout_s": self.timeout_s}

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
    world.adapter().cut(world.before)
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
    assert world.adapter().state(world.before) == "whole"


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


@pytest.fixture
def front(world):
    """Answers while nobody is cut off."""
    with stand_in(lambda call: (200 if world.is_now() == "whole" else 503, "")) as shown:
        yield shown.url


def a_fault(world, front):
    """The fault by the target as it is now."""
    region = {"ready_url": front, "partition": world.section()}
    return RegionPartition(platform_of(a_target(region=region)), REGION)


def by_log(world, front, entry, **region):
    """What another process makes of the undo log, by the target as it is now."""
    told = {"ready_url": front, "partition": world.section(), **region}
    return fault_of(platform_of(a_target(region=told)), entry)


@pytest.mark.parametrize(
    "change",
    [
        {"named": ("deployment/gateway",)},
        {"named": ("deployment/another",)},
        {"namespace": "elsewhere"},
        {"named": ("deployment/front",), "namespace": "elsewhere"},
    ],
    ids=str,
)
def test_what_was_cut_is_joined_whatever_the_target_names_by_now(world, front, change):
    """The undo entry says what was made; none of it may be left to be told as gone."""
    fault = a_fault(world, front)
    params = json.loads(json.dumps(undo_params_of(fault)))
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    fault.apply()
    for key, value in change.items():
        setattr(world, key, value)
    one = by_log(world, front, entry)
    assert one.left() == ("whole", "cut")
    assert set(one.command().split()) >= {"chat", *NAMES}
    first = f"{world.api.base('networkpolicies')}/{sorted(NAMES)[0]}"
    kept = world.api.objects.pop(first)
    assert one.left() == ("whole", "partly")
    world.api.objects[first] = kept
    for _ in range(2):
        one.revert()
        assert one.read_back().ok
        assert world.is_now() == "whole"


def test_a_policy_of_the_cut_that_has_another_name_is_gone_too(world, front):
    """By its token; what has another cut's token and name, or none, is somebody else's."""
    fault = a_fault(world, front)
    fault.undo_params()
    fault.apply()
    path = world.api.base("networkpolicies")
    (one, _) = world.api.of("networkpolicies")
    for name, labels in (
        ("renamed", one["metadata"]["labels"]),
        ("his", {}),
        ("another", {**one["metadata"]["labels"], MARK: "another"}),
    ):
        meta = {"name": name, "labels": labels}
        world.api.put(f"{path}/{name}", {"metadata": meta, "spec": one["spec"]})
    for name in NAMES:
        del world.api.objects[f"{path}/{name}"]
    assert fault.left() == ("whole", "partly")
    fault.revert()
    assert fault.left() == ("whole", "whole")
    left = {found["metadata"]["name"] for found in world.api.of("networkpolicies")}
    assert left == {"his", "another"}
    # But a drill does not begin where any cut has left something.
    with pytest.raises(PortError, match="partly before the fault"):
        a_fault(world, front).undo_params()


def test_an_entry_of_before_that_says_nothing_takes_every_policy_of_muster_back(world, front):
    """Logs of earlier versions name no policy: then none may be left."""
    a_fault(world, front)
    world.adapter().cut(world.before)
    world.named = ("deployment/gateway",)
    entry = UndoEntry("u1", RegionPartition.kind, "partition", REGION, {"steady_s": 0.0})
    one = by_log(world, front, entry)
    assert one.left() == ("whole", "cut")
    one.revert()
    assert one.read_back().ok
    assert world.is_now() == "whole"


@pytest.mark.parametrize("kind", [{"kind": "none"}, {"kind": "command", "argv": ["/bin/true"]}])
def test_another_adapter_does_not_call_it_restored(world, front, kind):
    """It has nothing to take back; the entry stays, with the key that is to be set again."""
    fault = a_fault(world, front)
    params = json.loads(json.dumps(undo_params_of(fault)))
    fault.apply()
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    said = f"regions.{REGION}.partition.kind: got '{kind['kind']}', expected network_policy"
    with pytest.raises(BadInput, match=said):
        by_log(world, front, entry, partition=kind)


def test_a_second_cut_under_the_first_ones_entry_is_joined_by_it(world, front):
    """An undo log keeps the oldest entry of a subject; the later cut has another token."""
    first = a_fault(world, front)
    entry = UndoEntry("u1", first.kind, first.subject, REGION, undo_params_of(first))
    second = a_fault(world, front)
    second.undo_params()
    second.apply()
    one = by_log(world, front, entry)
    assert one.left() == ("whole", "cut")
    one.revert()
    assert one.read_back().ok
    assert world.is_now() == "whole"


def refused_elsewhere(world, front, *names):
    """An entry of a cut, whose context leads to a cluster with the deployments `names` by now.

    The fault as another process makes it, what it said there, and the cluster that was cut.
    """
    fault = a_fault(world, front)
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, undo_params_of(fault))
    fault.apply()
    cut, world.api = world.api, ClusterStandIn("chat", uids="another")
    for name in names:
        world.api.deployment(name, 2)
    one = by_log(world, front, entry)
    said = []
    for call in (one.read_back, one.revert):
        with pytest.raises(PortError) as refused:
            call()
        said.append(str(refused.value))
    world.api = cut
    return one, said, cut


def test_a_context_that_leads_to_another_cluster_is_not_called_joined(world, front):
    """Workloads of the same names stand there, and none of the policies."""
    one, said, _ = refused_elsewhere(world, front, "gateway", "front")
    assert all("another one than the drill has changed" in line for line in said)
    one.revert()
    assert one.read_back().ok


def test_a_cluster_without_any_of_the_workloads_is_not_called_joined(world, front):
    """An empty namespace of another cluster, or none, has no policies either."""
    one, said, cut = refused_elsewhere(world, front)
    assert all("none of the workloads that were cut off is in" in line for line in said)
    # Without the workloads the policies are the drill's all the same, and are taken back.
    for name in ("gateway", "front"):
        del cut.objects[f"{cut.base('deployments')}/{name}"]
    one.revert()
    assert not cut.of("networkpolicies")


def test_a_context_that_moves_while_a_token_expires_cuts_nobody_else_off(world):
    """The credentials are read anew upon 401: those of another server are not used."""
    one = world.adapter()
    before = one.before()
    other = ClusterStandIn("chat", uids="another")
    for name in ("gateway", "front"):
        other.deployment(name, 2)
    with stand_in(other.answer) as elsewhere:
        kubeconfig(world.path, elsewhere.url)
        world.shown.answer = lambda call: (401, {"message": "expired"})
        with pytest.raises(PortError, match=f"leads to {elsewhere.url} now"):
            one.cut(before)
        assert not other.of("networkpolicies")
        assert not elsewhere.calls


def test_the_pods_of_many_workloads_are_listed_once(world):
    """A rehearsal is paced: were they listed for each workload, eight would take over a minute."""
    names = [f"w{n}" for n in range(8)]
    for name in names:
        world.api.deployment(name, 1)
    world.named = tuple(f"deployment/{name}" for name in names)
    made = world.calls
    assert world.adapter().rehearse() == ()
    reads = [call for call in world.shown.calls[made:] if call.method == "GET"]
    assert len(reads) < 6 * len(names)
