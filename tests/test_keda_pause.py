"""KEDA's ScaledObjects that a stop pauses, and what becomes of them while a region is dark; with a
stand-in for a cluster's API.
"""

from __future__ import annotations

import pytest
from cluster_stand_in import ClusterStandIn
from conformance.world import REGION
from test_cluster_disruptions import cluster
from test_conformance_cluster import quick

from muster.platform.kubernetes.keda import PAUSED, SCALED_OBJECTS
from muster.platform.port import PortError
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower

__all__ = ["cluster", "quick"]
PATH = SCALED_OBJECTS.path("chat", "scaler")


def power(cluster, **changes):
    """The adapter of another process, by the target as it is now."""
    given = {"kind": "kubernetes", "namespace": "chat", "kubeconfig": str(cluster.path)}
    given |= {"workloads": ["deployment/gateway"], "pause_keda": True, "timeout_s": 1}
    return PowerByKubernetes(REGION, KubernetesPower.model_validate(given | changes))


def scaled(cluster, path=PATH, of="gateway", **notes):
    """One that scales the workload."""
    meta = {"name": path.rpartition("/")[2], "annotations": notes}
    spec = {"scaleTargetRef": {"name": of}}
    return cluster.api.put(path, {"metadata": meta, "spec": spec})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"pause_keda": False},
        {"workloads": ["deployment/another"]},
        {"namespace": "elsewhere"},
    ],
    ids=str,
)
def test_what_the_stop_paused_is_let_go_whatever_the_target_names_by_now(cluster, change):
    """Also if it scales something else by now: the drill's own pause is the drill's to lift."""
    scaled(cluster)
    before = power(cluster).before()
    assert before["keda"] == ["scaler"]
    scaled(cluster, of="somebody-elses", **{PAUSED: "true"})
    state = power(cluster, **change).state(before)
    assert (state.whole, "KEDA's scaler paused" in state.shown) == (False, True)
    power(cluster, **change).start(before)
    assert power(cluster, **change).state(before).whole
    assert cluster.api.objects[PATH]["metadata"]["annotations"] == {}


def test_one_that_was_deleted_meanwhile_holds_nothing(cluster):
    """There is nothing to let go."""
    scaled(cluster)
    before = power(cluster).before()
    del cluster.api.objects[PATH]
    power(cluster).start(before)
    assert power(cluster).state(before).whole


def test_one_that_came_after_the_undo_entry_is_not_paused(cluster):
    """Nobody would let it go: the entry does not name it."""
    scaled(cluster)
    one = power(cluster)
    one.before()
    late = scaled(cluster, SCALED_OBJECTS.path("chat", "late"))
    for change in (one.stop, one.kill):
        with pytest.raises(PortError, match="KEDA's late came meanwhile"):
            change()
    assert late["metadata"]["annotations"] == {}
    assert cluster.api.objects[PATH]["metadata"]["annotations"] == {}


def test_a_start_in_another_cluster_lifts_no_pause_there(cluster):
    """The context leads elsewhere by now, where somebody has paused one of that name."""
    scaled(cluster)
    before = power(cluster).before()
    assert before["keda"] == ["scaler"]
    cluster.api = ClusterStandIn("chat", uids="another")
    cluster.api.deployment("gateway", 3)
    scaled(cluster, **{PAUSED: "true"})
    with pytest.raises(PortError, match="another one than the drill has changed"):
        power(cluster).start(before)
    assert cluster.api.objects[PATH]["metadata"]["annotations"] == {PAUSED: "true"}


def test_a_start_that_fails_and_a_pause_that_stays_are_both_told(cluster):
    """Why the region is dark comes first."""
    scaled(cluster)
    before = power(cluster).before()
    scaled(cluster, **{PAUSED: "true"})
    cluster.api.stuck = True
    for pod in cluster.api.of("pods"):
        del cluster.api.objects[f"{cluster.api.base('pods')}/{pod['metadata']['name']}"]
    passed_on = cluster.api.answer

    def answer(call):
        if call.method == "PATCH" and "scaledobjects" in call.path:
            return 403, {"kind": "Status", "message": "forbidden"}
        return passed_on(call)

    cluster.api.answer = answer
    said = "not available in time: deployment/gateway 0 of 3; scaler: .*forbidden"
    with pytest.raises(PortError, match=said):
        power(cluster).start(before)
