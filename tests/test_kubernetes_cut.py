"""A loss on Kubernetes counts from its first deletion, and is one: no read is in its middle."""

from __future__ import annotations

import pytest
from floor_fixtures import KubernetesStandIn, kubeconfig, stand_in
from held_clock import HeldClock

from muster.platform.kubernetes import cluster as calls
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower

READ_EVERY_S = 10.0


def test_the_reads_before_the_first_deletion_cut_nothing(tmp_path, monkeypatch):
    """With many workloads and a paced API they may take longer than the streams' own end."""
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1 / READ_EVERY_S)
    monkeypatch.setattr(calls, "READS_AT_ONCE", 1)
    clock = HeldClock()
    deleted_s, scaled_s = [], {}
    cluster = KubernetesStandIn({"gateway": 2, "worker": 1})

    def answer(call):
        if call.method == "DELETE":
            deleted_s.append(clock.now_s())
        if call.method == "PATCH":
            scaled_s.setdefault(call.path, clock.now_s())
        return cluster.answer(call)

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
    # And none lies between the deletions and the scaling: what came in their place would serve.
    assert list(scaled_s.values()) == pytest.approx([max(deleted_s)] * 2)
