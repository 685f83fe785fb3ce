"""A loss on Kubernetes counts from its first deletion, and is one: no read is in its middle."""

from __future__ import annotations

import pytest
from floor_fixtures import Call, KubernetesStandIn, kubeconfig, stand_in
from held_clock import HeldClock

from muster.platform.kubernetes import cluster as calls
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower

READ_EVERY_S = 10.0
NEW = "gateway-new"


def pod_of(name):
    """A pod of the gateway's, as the stand-in shows one."""
    (shown,) = KubernetesStandIn({"gateway": 1})._of_pods(
        Call("GET", "", b"", {}), [], "labelSelector=app=gateway"
    )[1]["items"]
    return {**shown, "metadata": {**shown["metadata"], "name": name, "uid": name}}


def test_the_reads_before_the_first_deletion_cut_nothing(tmp_path, monkeypatch):
    """With many workloads and a paced API they may take longer than the streams' own end."""
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1 / READ_EVERY_S)
    monkeypatch.setattr(calls, "READS_AT_ONCE", 1)
    clock = HeldClock()
    deleted_s, scaled_s, ended = [], {}, {}
    cluster = KubernetesStandIn({"gateway": 2, "worker": 1})

    def answer(call):
        if call.method == "DELETE":
            deleted_s.append(clock.now_s())
            ended.setdefault(call.path.rpartition("/")[2], clock.now_s())
        if call.method == "PATCH":
            scaled_s.setdefault(call.path, clock.now_s())
        status, body = cluster.answer(call)
        if "app%3Dgateway" in call.path and ended and NEW not in ended:
            # A controller replaces what is deleted at once.
            body["items"].append(pod_of(NEW))
        return status, body

    with stand_in(answer) as api:
        names = [f"deployment/{name}" for name in cluster.replicas]
        section = {"kind": "kubernetes", "namespace": "chat", "workloads": names}
        section["kubeconfig"] = str(kubeconfig(tmp_path / "kubeconfig", api.url))
        power = PowerByKubernetes("eu", KubernetesPower.model_validate(section), clock)
        assert power.cut_at_s is None
        began_s = clock.now_s()
        power.kill()
    assert power.cut_at_s == pytest.approx(min(deleted_s))
    assert power.cut_at_s >= began_s + READ_EVERY_S
    # What came in its place is deleted before it could run, and none waits for its turn either.
    assert ended[NEW] < power.cut_at_s + 1
    # And none lies between the deletions and the scaling: what came in their place would serve.
    assert list(scaled_s.values()) == pytest.approx([max(deleted_s)] * 2)
