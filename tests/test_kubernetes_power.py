"""Deployments scaled to 0 and back, against a stand-in for a cluster's API."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from floor_fixtures import REGION, KubernetesStandIn, a_target, free_port, kubeconfig, stand_in
from kubernetes.config import kube_config

from muster.faults import fault_of
from muster.faults.region_loss import RegionLoss
from muster.faults.region_power import RegionPower
from muster.platform import deployments, platform_of
from muster.platform.deployments import Deployments
from muster.platform.port import PortError
from muster.targets.power import KubernetesPower
from muster.undo import UndoEntry

NAMES = ("gateway", "redis")


def use(monkeypatch, path):
    """KUBECONFIG is `path`: for whoever reads it now, and for the client, which read it once."""
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The stand-in cluster, with KUBECONFIG pointing to it; its front is ready with its pods."""
    cluster = KubernetesStandIn({"gateway": 3, "redis": 1})
    with stand_in(cluster.answer) as api:
        use(monkeypatch, kubeconfig(tmp_path / "kubeconfig", api.url))
        for name in ("KUBERNETES_CONTEXT", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield cluster


@pytest.fixture
def front(cluster):
    """A load balancer's stand-in: it always answers, 200 only while a gateway runs."""

    def answer(call):
        return (200 if cluster.available["gateway"] else 503), ""

    with stand_in(answer) as shown:
        yield shown.url


def power(**more):
    data = {"kind": "kubernetes", "namespace": "chat", "deployments": ["gateway", "redis"]}
    return KubernetesPower.model_validate(data | {"timeout_s": 10} | more)


def the_fault(front, **more):
    region = {"ready_url": front, "power": power(**more).model_dump()}
    return RegionPower(platform_of(a_target(region=region)), REGION)


def test_it_bites_is_seen_and_goes_away(cluster, front):
    """No pods and not ready is dark, though a balancer answers; the replicas come back."""
    fault = the_fault(front, context="stand-in")
    assert not fault.observe().proven
    params = fault.undo_params()
    assert params["replicas"] == {"gateway": 3, "redis": 1}
    fault.apply()
    assert cluster.replicas == {"gateway": 0, "redis": 0}
    proof = fault.observe()
    assert proof.proven
    assert proof.facts["pods"] == {"gateway": 0, "redis": 0}
    assert (proof.facts["status"], proof.facts["ready"]) == (503, False)
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(fault.platform, entry)
    assert not restored.read_back().ok
    for _ in range(2):
        restored.revert()
        assert restored.read_back().ok
    assert cluster.replicas == {"gateway": 3, "redis": 1}


def test_a_loss_deletes_every_pod_without_grace(cluster, front):
    """Deleted before they can begin a grace, and what took their place too; all come back."""
    region = {"ready_url": front, "power": power().model_dump()}
    fault = RegionLoss(platform_of(a_target(region=region)), REGION)
    assert fault.change().after == "replicas 0, pods deleted without grace"
    params = fault.undo_params()
    fault.apply()
    assert cluster.replicas == {"gateway": 0, "redis": 0}
    each = [f"gracePeriodSeconds=0&labelSelector=app={name}" for name in ("gateway", "redis")]
    assert cluster.killed == [*each, *each]
    assert fault.observe().proven
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    fault_of(fault.platform, entry).revert()
    assert cluster.replicas == {"gateway": 3, "redis": 1}


def test_pods_that_stay_are_not_dark(cluster, front):
    """Scaled to 0 while a pod is still there: the fault did not bite."""
    fault = the_fault(front, timeout_s=0.1)
    cluster.stuck = True
    fault.apply()
    proof = fault.observe()
    assert not proof.proven
    assert proof.facts["pods"] == {"gateway": 3, "redis": 1}


def test_pods_that_terminate_still_serve(cluster, front):
    """A deployment counts 0 replicas as soon as its pods begin to end: they are listed by label."""
    fault = the_fault(front, timeout_s=0.1)
    fault.undo_params()
    cluster.terminating["gateway"] = 1
    fault.apply()
    assert cluster.available["gateway"] == 0
    assert fault.observe().facts["pods"] == {"gateway": 1, "redis": 0}
    assert not fault.observe().proven
    cluster.terminating.clear()
    assert fault.observe().proven


@pytest.mark.parametrize(
    ("status", "dark"), [(503, True), (502, True), (504, True), (401, False), (404, False)]
)
def test_a_balancers_own_5xx_is_told_from_an_answer_of_the_region(cluster, status, dark):
    """Without pods 502, 503 and 504 say that nothing stands behind; any other status is served."""
    with stand_in(lambda call: (status, "")) as front:
        fault = the_fault(front.url)
        fault.undo_params()
        fault.apply()
        proof = fault.observe()
        assert (proof.proven, proof.facts["status"]) == (dark, status)


def test_a_selector_of_expressions_is_understood(cluster):
    """What a deployment selects by an expression becomes a selector of the API."""
    selector = SimpleNamespace(
        match_labels={"app": "x"},
        match_expressions=[
            SimpleNamespace(key="tier", operator="In", values=["a", "b"]),
            SimpleNamespace(key="old", operator="DoesNotExist", values=None),
        ],
    )
    assert deployments._selector("x", selector) == "app=x,tier in (a,b),!old"
    empty = SimpleNamespace(match_labels=None, match_expressions=None)
    with pytest.raises(PortError, match="has a selector without labels"):
        deployments._selector("x", empty)


@pytest.mark.parametrize(
    ("bounds", "asked", "back"),
    [
        ({}, 5, False),
        ({"gateway": (2, 6)}, 5, True),
        ({"gateway": (2, 4)}, 5, False),
        ({"other": (2, 6)}, 5, False),
        ({}, 3, True),
    ],
)
def test_other_replicas_are_back_within_an_autoscalers_bounds(cluster, front, bounds, asked, back):
    """An autoscaler may have moved them since; without one they must be what they were."""
    fault = the_fault(front)
    fault.undo_params()
    cluster.autoscalers = bounds
    cluster.replicas["gateway"] = cluster.available["gateway"] = asked
    assert fault.read_back().ok is back


def test_replicas_that_are_asked_for_and_not_there_are_not_back(cluster, front):
    """Three are asked for and one is available: ready, and not as it was."""
    fault = the_fault(front)
    fault.undo_params()
    cluster.stuck = True
    cluster.available["gateway"] = 1
    fault._steady_s = 0.0
    back, may_come = fault.look_back()
    assert (back.ok, may_come) == (False, True)
    assert back.actual == "ready, replicas gateway 3, redis 1, available gateway 1, redis 1"


def test_fewer_replicas_than_before_are_not_back(cluster, front):
    """Ready again with one gateway of three is not as it was."""
    fault = the_fault(front)
    fault.undo_params()
    cluster.replicas["gateway"] = 1
    back = fault.read_back()
    assert not back.ok
    assert back.actual == "ready, replicas gateway 1, redis 1"


def test_a_scale_that_does_not_show_is_an_error(cluster, front):
    """A cluster that says yes and changes nothing is found out by the read-back."""
    cluster.ignores_scale = True
    with pytest.raises(PortError, match=r"deployments show .*'gateway': 3.* expected"):
        the_fault(front).apply()


def test_it_waits_for_pods_and_not_for_an_old_status(cluster):
    """A status that still speaks of before the change is not believed."""
    shown = Deployments("chat", NAMES)
    cluster.lag = 2
    shown.scale({"gateway": 2, "redis": 1})
    shown.await_available({"gateway": 2, "redis": 1}, 10)
    assert cluster.available["gateway"] == 2
    assert cluster.observed == cluster.generation


def test_pods_that_never_come_are_an_error_in_time(cluster):
    """The wait for pods is bounded by the target's own time-out."""
    cluster.stuck = True
    shown = Deployments("chat", NAMES)
    shown.scale({"gateway": 5, "redis": 1})
    with pytest.raises(PortError, match=r"\['gateway'\] not available in 0\.1 s"):
        shown.await_available({"gateway": 5}, 0.1)


def test_what_was_at_zero_is_no_fault_of_ours(cluster, front):
    """The undo must know how many to bring back."""
    cluster.replicas["redis"] = 0
    with pytest.raises(PortError, match="not running before the fault"):
        the_fault(front).undo_params()


def test_revert_without_the_replicas_before_is_an_error(cluster, front):
    """Replicas are never guessed, and no line is printed with a gap in it."""
    fault = the_fault(front)
    with pytest.raises(PortError, match="replicas before the fault are unknown"):
        fault.revert()
    assert fault.command() is None
    assert cluster.replicas["gateway"] == 3


def test_it_says_how_to_put_it_back_by_hand(cluster, front):
    """A command for each deployment, with its replicas."""
    fault = the_fault(front)
    fault.undo_params()
    assert fault.command() == (
        "kubectl -n chat scale deployment gateway --replicas=3; "
        "kubectl -n chat scale deployment redis --replicas=1"
    )
    named = the_fault(front, context="stand-in")
    named.undo_params()
    assert named.command().count("kubectl -n chat --context stand-in scale deployment ") == 2


def test_one_deployment_that_is_gone_keeps_no_other_down(cluster, front):
    """The rest is scaled back all the same, and the one that could not be is told."""
    fault = the_fault(front)
    fault.undo_params()
    fault.apply()
    del cluster.replicas["gateway"]
    with pytest.raises(PortError, match=r"gateway: Kubernetes patch_.*404"):
        fault.revert()
    assert cluster.replicas == {"redis": 1}


def test_a_half_done_apply_goes_back(cluster, front):
    """Only one of two was scaled when the drill died."""
    fault = the_fault(front)
    fault.undo_params()
    cluster.replicas["gateway"] = 0
    fault.revert()
    assert fault.read_back().ok


def test_an_unknown_deployment_is_an_error(cluster):
    """A mistyped name is told by the API's own answer."""
    with pytest.raises(PortError, match=r"read_namespaced_deployment: .*404"):
        Deployments("chat", ["gatewya"]).replicas()


def test_a_context_is_never_looked_for_elsewhere(cluster, tmp_path, monkeypatch):
    """An unknown context or no kubeconfig is an error: another cluster must not be scaled."""
    with pytest.raises(PortError, match=r"Kubernetes: .*production"):
        Deployments("chat", NAMES, "production")
    use(monkeypatch, tmp_path / "none")
    with pytest.raises(PortError, match="no kubeconfig to find the context stand-in in"):
        Deployments("chat", NAMES, "stand-in")


def test_a_cluster_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    """A refused connection is told in one line."""
    url = f"http://127.0.0.1:{free_port()}"
    use(monkeypatch, kubeconfig(tmp_path / "kubeconfig", url))
    with pytest.raises(PortError, match="Kubernetes read_namespaced_deployment") as caught:
        Deployments("chat", NAMES).replicas()
    assert len(str(caught.value).splitlines()) == 1
