"""Disruptions of pods by the cluster port and their faults, with a stand-in for a cluster's API:
what is chosen, what is refused, and what somebody else did.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from conformance.world import REGION
from floor_fixtures import a_target, kubeconfig, stand_in
from test_conformance_cluster import NODE, OTHER_NODE, Cluster, quick, way_of

from muster.drill.session import Session
from muster.drill.undo.restore import restore
from muster.faults import Scene, fault_of, pods_killed, registered
from muster.faults.image_unpullable import ImageUnpullable
from muster.faults.node_drained import NodeDrained
from muster.faults.pods_killed import PodsKilled
from muster.faults.readiness_broken import ReadinessBroken
from muster.faults.streams_cut import broken_streams
from muster.platform import platform_of
from muster.platform.cluster.killed_pods import CHOSEN
from muster.platform.cluster.kubernetes import ClusterByKubernetes
from muster.platform.port import PortError, Touch
from muster.targets.cluster import KubernetesCluster
from muster.targets.model import BlastRadius
from muster.undo import UndoEntry, UndoHeader, UndoLog

__all__ = ["quick"]
STEPS = {step.func: step for step in registered().steps}
RELEASES = ("readiness", "image")


@pytest.fixture
def cluster(tmp_path, monkeypatch, quick):
    one = Cluster("killing", tmp_path / "kubeconfig", monkeypatch)
    with stand_in(one.answer) as one.shown:
        kubeconfig(one.path, one.shown.url)
        yield one
        one.released.set()


def section(cluster, **more):
    data = {"kind": "kubernetes", "namespace": "chat", "kubeconfig": str(cluster.path)}
    data |= {"workloads": ["deployment/gateway"], "node": NODE, "timeout_s": 10}
    return data | more


def adapter(cluster, **more):
    settings = KubernetesCluster.model_validate(section(cluster, **more))
    return ClusterByKubernetes(REGION, settings)


def fault(kind, cluster, **more):
    platform = platform_of(a_target(region={"cluster": section(cluster)}))
    return kind(platform, REGION, **more)


def pods(cluster, **labels):
    return {pod["metadata"]["name"] for pod in cluster.api.of("pods", **labels)}


def test_the_seed_and_the_pods_decide_which_are_killed(cluster):
    """The same seed, the same pods; every pod's turn comes; the share is of all of them."""
    cluster.api.deployment("more", 7)
    both = ["deployment/gateway", "deployment/more"]
    one = adapter(cluster, workloads=both)

    def chosen(share_pct, seed):
        return set(one.killing(share_pct, seed).before()[CHOSEN])

    assert chosen(30, 1) == chosen(30, 1)
    assert len({frozenset(chosen(30, seed)) for seed in range(10)}) > 1
    assert set.union(*(chosen(30, seed) for seed in range(40))) == pods(cluster)
    assert [len(chosen(share, 1)) for share in (1, 30, 34, 90)] == [1, 3, 3, 9]


def test_one_pod_is_left_and_a_single_one_is_refused(cluster):
    """The loss of all of them is another fault."""
    assert len(adapter(cluster).killing(90, 1).before()[CHOSEN]) == 2
    cluster.api.deployment("lone", 1)
    with pytest.raises(PortError, match="1 pod is there: expected 2 or more"):
        adapter(cluster, workloads=["deployment/lone"]).killing(50, 1).before()


def test_a_canarys_pods_are_neither_chosen_nor_killed(cluster):
    """They match the selector, and their controller is another."""
    cluster.api.deployment("canary", 2, app="gateway", track="canary")
    canary = pods(cluster, track="canary")
    assert len(canary) == 2
    for seed in range(10):
        assert not canary & set(adapter(cluster).killing(90, seed).before()[CHOSEN])
    one = adapter(cluster).killing(90, 1)
    one.apply(one.before())
    assert canary <= pods(cluster)


@pytest.mark.parametrize("way", ["killing", "draining", *RELEASES])
def test_what_is_not_whole_before_is_refused(cluster, way):
    """Nobody could tell afterwards whether all of it is back."""
    cluster.api.stuck = True
    cluster.api.objects[f"{cluster.api.base('deployments')}/gateway"]["spec"]["replicas"] = 4
    with pytest.raises(PortError, match=r"not whole before the fault: available .* 3 of 4"):
        way_of(adapter(cluster), way).before()


@pytest.mark.parametrize(
    ("way", "right", "said"),
    [
        ("killing", ("delete", "pods"), "no right to delete pods in namespace chat"),
        ("draining", ("patch", "nodes"), "no right to patch nodes node-1 in the whole cluster"),
        ("draining", ("create", "pods"), "no right to create pods/eviction in namespace chat"),
        ("draining", ("list", "pods"), "no right to list pods in the whole cluster"),
        ("image", ("patch", "deployments"), "no right to patch deployments gateway in namespace"),
        ("readiness", ("list", "replicasets"), "no right to list replicasets in namespace chat"),
    ],
)
def test_a_right_that_is_missing_is_told_before_anything_is_done(cluster, way, right, said):
    """By its verb and its resource."""
    one = way_of(adapter(cluster), way)
    assert one.rehearse() == ()
    cluster.api.denied = {right}
    assert any(said in line for line in one.rehearse()), one.rehearse()
    assert not cluster.disrupted()


def test_a_drain_is_refused_where_others_would_be_evicted(cluster):
    """Named in the plan too; a DaemonSet's pods, the node's own and ended ones stay anyway."""
    one = adapter(cluster).draining()

    def pod(name, phase="Running", **meta):
        found = {"metadata": {"name": name, "namespace": "kube-system", **meta}}
        found |= {"spec": {"nodeName": NODE}, "status": {"phase": phase}}
        cluster.api.put(f"/api/v1/namespaces/kube-system/pods/{name}", found)

    owner = {"kind": "DaemonSet", "controller": True, "uid": "d", "name": "d", "apiVersion": "v1"}
    pod("agent", ownerReferences=[owner])
    pod("static", annotations={"kubernetes.io/config.mirror": "x"})
    pod("job", phase="Succeeded")
    assert one.rehearse() == ()
    pod("dns")
    (said,) = one.rehearse()
    assert said == "node node-1 has pods of others, which a drain would evict: kube-system/dns"
    assert one.change().after.endswith("pods of others there: kube-system/dns")


@pytest.mark.parametrize("how", ["cordoned", "not ready"])
def test_a_drain_is_refused_where_no_other_node_takes_the_pods(cluster, how):
    """The region would be lost, which another fault is for."""
    other = cluster.api.objects[f"/api/v1/nodes/{OTHER_NODE}"]
    if how == "cordoned":
        other["spec"]["unschedulable"] = True
    else:
        other["status"]["conditions"][0]["status"] = "False"
    (said,) = adapter(cluster).draining().rehearse()
    assert said == "no other node is ready to take the pods of node-1"


def test_a_drain_waits_for_a_budget_that_allows_no_eviction(cluster):
    """Told in preflight; in a drill it is an error in time, and the node is opened again."""
    cluster.api.blocked = True
    one = adapter(cluster, timeout_s=0.3).draining()
    assert all("disruption budget" in line for line in one.rehearse())
    before = one.before()
    with pytest.raises(PortError, match=r"not drained in time: gateway-.* disruption budget"):
        one.apply(before)
    assert not one.look(before).proven
    one.revert(before)
    assert one.state(before).whole
    assert not cluster.disrupted()


def test_a_node_without_a_pod_of_the_region_shows_nothing(cluster):
    """Its drain would prove nothing."""
    with pytest.raises(PortError, match="node node-2 has no pod of the region"):
        adapter(cluster, node=OTHER_NODE).draining().before()


def test_a_node_that_was_cordoned_before_stays_so(cluster):
    """It is drained, and not opened: somebody else closed it."""
    node = cluster.api.objects[f"/api/v1/nodes/{NODE}"]
    node["spec"]["unschedulable"] = True
    one = adapter(cluster).draining()
    before = one.before()
    one.apply(before)
    assert one.look(before).proven
    one.revert(before)
    assert cluster.api.objects[f"/api/v1/nodes/{NODE}"]["spec"]["unschedulable"] is True
    assert one.command(before) is None


def test_a_node_that_somebody_else_cordons_meanwhile_stays_so(cluster):
    """Before the drill's own cordon it is an error; after it, it is told and left."""
    one = adapter(cluster).draining()
    before = one.before()
    node = cluster.api.objects[f"/api/v1/nodes/{NODE}"]
    node["spec"]["unschedulable"] = True
    with pytest.raises(PortError, match="somebody else has cordoned it meanwhile"):
        one.apply(before)
    one.revert(before)
    state = one.state(before)
    assert (state.whole, state.another) == (True, "node node-1 was cordoned by somebody else")


def fields(manager, metadata=None, spec=None):
    """One entry of managed fields, as an API server keeps them."""
    found = {}
    if metadata:
        found["f:metadata"] = {"f:annotations": {".": {}, f"f:{metadata}": {}}}
    if spec:
        found["f:spec"] = {f"f:{spec}": {}}
    return {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": found}


def test_a_node_that_was_opened_and_cordoned_anew_by_somebody_else_stays_so(cluster):
    """`kubectl uncordon` leaves the mark: the managed fields tell whose cordon it is now."""
    one = adapter(cluster).draining()
    before = one.before()
    one.apply(before)
    node = cluster.api.objects[f"/api/v1/nodes/{NODE}"]
    mark = "muster/cordoned-by"
    node["metadata"]["managedFields"] = [fields("muster", mark, "unschedulable")]
    assert "is cordoned by the drill" in one.state(before).shown
    node["metadata"]["managedFields"] = [
        fields("muster", mark), fields("kubectl-cordon", spec="unschedulable")
    ]  # fmt: skip
    one.revert(before)
    node = cluster.api.objects[f"/api/v1/nodes/{NODE}"]
    assert node["spec"]["unschedulable"] is True
    assert mark not in node["metadata"]["annotations"]
    state = one.state(before)
    assert (state.whole, state.another) == (True, "node node-1 was cordoned by somebody else")


def test_a_node_that_somebody_opens_or_removes_meanwhile_is_told(cluster):
    """The effect is gone, by another."""
    one = adapter(cluster).draining()
    before = one.before()
    one.apply(before)
    cluster.api.objects[f"/api/v1/nodes/{NODE}"]["spec"].pop("unschedulable")
    proof = one.look(before)
    assert (proof.proven, proof.another) == (False, "node node-1 cordoned -> open for new pods")
    del cluster.api.objects[f"/api/v1/nodes/{NODE}"]
    one.revert(before)
    assert one.state(before).another == "node node-1 was removed"


def test_a_drain_needs_a_node_and_the_blast_radius_names_it(cluster):
    """By its own key."""
    found = adapter(cluster, node=None).draining().unusable()
    assert found is not None
    assert found.within("regions.eu.cluster").key == "regions.eu.cluster.node"
    assert Touch("nodes", NODE) in fault(NodeDrained, cluster).touches()


@pytest.mark.parametrize("flaw", RELEASES)
def test_pods_that_become_ready_prove_no_flaw(cluster, flaw):
    """As on nodes without a kubelet, which asks no probe and pulls no image."""
    cluster.api.plays_kubelet = False
    one = adapter(cluster).releasing(flaw)
    before = one.before()
    one.apply(before)
    proof = one.look(before)
    assert not proof.proven
    assert "became ready" in proof.why
    one.revert(before)
    assert one.state(before).whole
    assert cluster.whole()


@pytest.mark.parametrize("flaw", RELEASES)
def test_pods_of_before_go_on_while_the_release_is_stuck(cluster, flaw):
    """That is the platform's own strategy; the drill looks at the new pod."""
    one = adapter(cluster).releasing(flaw)
    before = one.before()
    one.apply(before)
    assert len(pods(cluster)) == 4
    proof = one.look(before)
    assert proof.proven
    assert proof.facts["pods"] == {"deployment/gateway": 1}


def test_a_new_pod_that_is_not_there_proves_nothing(cluster):
    """The controller has not acted yet, or no node takes it."""
    one = adapter(cluster).releasing("image")
    before = one.before()
    cluster.api.stuck = True
    one.apply(before)
    proof = one.look(before)
    assert (proof.proven, proof.why) == (False, "deployment/gateway: no new pod")


@pytest.mark.parametrize("flaw", RELEASES)
def test_anothers_release_stays(cluster, flaw):
    """It stops the drill, is told, and is not rolled back; before the drill's it is an error."""
    one = adapter(cluster).releasing(flaw)
    before, early = one.before(), one.before()
    one.apply(before)
    path = f"{cluster.api.base('deployments')}/gateway"
    his = {"metadata": {"labels": {"app": "gateway"}}, "spec": {"containers": [{"name": "new"}]}}
    his["spec"]["containers"][0]["image"] = "a:2"
    cluster.api.objects[path]["spec"]["template"] = his
    cluster.api.reconcile()
    assert "replaced by another one" in one.look(before).another
    one.revert(before)
    state = one.state(before)
    assert "somebody else has released another template" in state.another
    assert state.whole
    assert cluster.api.objects[path]["spec"]["template"] == his
    with pytest.raises(PortError, match="somebody else has released another template meanwhile"):
        one.apply(early)


@pytest.mark.parametrize("flaw", RELEASES)
@pytest.mark.parametrize(
    "his", [{"image": "a:2"}, {"env": [{"name": "LEVEL", "value": "debug"}]}], ids=str
)
def test_what_another_sets_on_the_drills_release_stays(cluster, flaw, his):
    """As `kubectl set image`, `set env` and `apply` do it: the mark stays, and so must his."""
    one = adapter(cluster).releasing(flaw)
    before = one.before()
    one.apply(before)
    template = cluster.api.objects[f"{cluster.api.base('deployments')}/gateway"]["spec"]["template"]
    template["spec"]["containers"][0] |= his
    cluster.api.reconcile()
    assert "somebody else has changed the drill's release" in one.look(before).another
    one.revert(before)
    (container,) = shown_template(cluster)["spec"]["containers"]
    wanted = {"name": "c", "image": "a:1", "readinessProbe": {"periodSeconds": 3}}
    assert container == wanted | his
    assert "muster/flawed-release" not in shown_template(cluster)["metadata"].get("annotations", {})
    state = one.state(before)
    assert state.whole
    assert "somebody else has released another template" in state.another


def test_who_only_takes_the_flaw_back_has_released_nothing_else(cluster):
    """As a controller that keeps what stands in a repository: the mark alone is left."""
    one = adapter(cluster).releasing("image")
    before = one.before()
    one.apply(before)
    shown_template(cluster)["spec"]["containers"][0]["image"] = "a:1"
    kept = before["released"]["deployment/gateway"]["replicaset"]
    del cluster.api.objects[f"{cluster.api.base('replicasets')}/{kept}"]
    cluster.api.reconcile()
    assert not one.state(before).whole
    one.revert(before)
    state = one.state(before)
    assert (state.whole, state.another) == (True, "")


@pytest.mark.parametrize("mirror", ["mirror.example.com/no-such-image:drill", ""])
def test_the_flaw_is_known_without_its_mark_and_behind_another_registry(cluster, mirror):
    """An admission webhook may set the registry; a tool may drop an annotation."""
    one = adapter(cluster).releasing("image")
    before = one.before()
    one.apply(before)
    template = shown_template(cluster)
    if mirror:
        template["spec"]["containers"][0]["image"] = mirror
    else:
        del template["metadata"]["annotations"]
    cluster.api.reconcile()
    assert "the drill's release is still there" in one.state(before).shown
    one.revert(before)
    assert one.state(before).whole
    assert shown_template(cluster)["spec"]["containers"][0]["image"] == "a:1"


def test_a_container_that_is_new_and_flawed_is_an_error_with_its_name(cluster):
    """Nobody knows what it had."""
    one = adapter(cluster).releasing("readiness")
    before = one.before()
    one.apply(before)
    shown_template(cluster)["spec"]["containers"][0]["name"] = "renamed"
    with pytest.raises(PortError, match="container renamed is new: release it anew"):
        one.revert(before)


def shown_template(cluster):
    """The template that stands there."""
    return cluster.api.objects[f"{cluster.api.base('deployments')}/gateway"]["spec"]["template"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [({"paused": True}, "are paused"), ({"revisionHistoryLimit": 0}, "could be rolled back to")],
)
def test_what_could_not_be_rolled_out_or_back_is_refused(cluster, spec, said):
    """Before anything is changed."""
    cluster.api.objects[f"{cluster.api.base('deployments')}/gateway"]["spec"] |= spec
    with pytest.raises(PortError, match=said):
        adapter(cluster).releasing("image").before()


@pytest.mark.parametrize(
    ("automated", "name", "told"),
    [
        ({"selfHeal": True}, "gateway", True),
        ({"selfHeal": True, "enabled": False}, "gateway", False),
        ({"selfHeal": True}, "other", False),
        ({}, "gateway", False),
        (None, "gateway", False),
    ],
)
def test_argo_cd_that_would_set_the_release_again_is_told(cluster, automated, name, told):
    """Before anything is released."""
    managed = [{"kind": "Deployment", "namespace": "chat", "name": name}]
    app = {"metadata": {"name": "web"}, "status": {"resources": managed}}
    app["spec"] = {"syncPolicy": {"automated": automated}}
    cluster.api.put("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/web", app)
    said = adapter(cluster).releasing("image").rehearse()
    assert any("Argo CD's web manages deployment/gateway" in one for one in said) is told


def test_a_release_of_before_that_is_gone_is_an_error_with_its_name(cluster):
    """Nothing is guessed."""
    one = adapter(cluster).releasing("image")
    before = one.before()
    one.apply(before)
    kept = before["released"]["deployment/gateway"]["replicaset"]
    del cluster.api.objects[f"{cluster.api.base('replicasets')}/{kept}"]
    with pytest.raises(PortError, match=f"its ReplicaSet {kept} is gone"):
        one.revert(before)
    assert not one.state(before).whole


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"workloads": ["statefulset/redis"]}, "workloads"),
        ({"released": ["deployment/other"]}, "released"),
    ],
)
def test_only_the_targets_deployments_get_a_release(cluster, more, key):
    """Told by the files alone."""
    found = adapter(cluster, **more).releasing("image").unusable()
    assert found is not None
    assert found.key == key


def counting(monkeypatch, *counts):
    """Broken streams as the load's clients count them, look by look."""
    left = list(counts)
    monkeypatch.setattr(
        pods_killed, "broken_streams", lambda *_: left.pop(0) if len(left) > 1 else left[0]
    )


@pytest.mark.parametrize(("broken", "proven"), [((3.0, 5.0), True), ((3.0, 3.0), False)])
def test_killed_pods_are_proven_by_the_streams_that_broke(cluster, monkeypatch, broken, proven):
    """That the pods are gone does not say that they served anybody."""
    counting(monkeypatch, *broken)
    one = fault(PodsKilled, cluster, share_pct=34, seed=1)
    params = json.loads(json.dumps(one.undo_params()))
    one.apply()
    proof = one.observe()
    assert proof.proven is proven
    assert proof.facts["pods_killed"] == 1
    entry = UndoEntry("u1", one.kind, one.subject, REGION, params)
    again = fault_of(one.platform, entry)
    again.revert()
    assert again.read_back().ok


def test_a_fault_of_another_process_proves_nothing(cluster, monkeypatch):
    """It does not know how many were broken before."""
    counting(monkeypatch, 3.0)
    one = fault(PodsKilled, cluster, share_pct=34)
    one.before = one.disruption.before()
    one.disruption.apply(one.before)
    assert not one.observe().proven


def test_streams_of_nobody_are_unknown_and_never_none(monkeypatch):
    """Without any attempt in the region nothing was counted."""
    target = a_target()
    seen = []
    series = lambda outcome, value: SimpleNamespace(  # noqa: E731
        labels={"region": REGION, "outcome": outcome}, v=[value], name="n"
    )
    metrics = SimpleNamespace(raw=lambda *_: list(seen))
    platform = SimpleNamespace(target=target, metrics=metrics)
    with pytest.raises(PortError, match=f"no current series of {REGION}"):
        broken_streams(platform, REGION)
    seen = [series("success", 7.0)]
    assert broken_streams(platform, REGION) == 0
    seen.append(series("broken", 2.0))
    assert broken_streams(platform, REGION) == 2
    seen.append(series("broken", None))
    with pytest.raises(PortError, match="no current value"):
        broken_streams(platform, REGION)


@pytest.mark.parametrize(
    ("name", "arguments", "aim"),
    [
        ("pods_killed", {"share_pct": 34}, "34 % of the pods killed"),
        ("node_drained", {}, "cordoned, the region's pods evicted"),
        ("readiness_broken", {}, "a release whose pods never become ready"),
        ("image_unpullable", {}, "a release whose image cannot be pulled"),
    ],
)
def test_each_is_a_step_that_a_target_without_a_cluster_refuses(cluster, name, arguments, aim):
    """By the key that is missing; nothing is asked of any cluster."""
    scene = Scene(platform_of(a_target()), seed=7)
    (one,) = STEPS[name].planned(scene, {"seconds": 1, **arguments}).faults
    found = one.unusable()
    assert found is not None
    assert found.key == f"regions.{REGION}.cluster.kind"
    there = Scene(platform_of(a_target(region={"cluster": section(cluster)})), seed=7)
    (one,) = STEPS[name].planned(there, {"seconds": 1, **arguments}).faults
    assert (one.unusable(), one.aim, one.kind) == (None, aim, name)
    assert getattr(one, "seed", 7) == 7
    assert Touch("namespaces", "chat") in one.touches()


def test_a_killed_drill_is_taken_back_by_another_process(cluster):
    """Between the undo entry and the effect, and after it."""
    one = fault(ReadinessBroken, cluster)
    params = json.loads(json.dumps(one.undo_params()))
    entry = UndoEntry("u1", one.kind, one.subject, REGION, params)
    fault_of(one.platform, entry).revert()
    assert fault_of(one.platform, entry).read_back().ok
    one.apply()
    assert one.observe().proven
    again = fault_of(one.platform, entry)
    assert not again.read_back().ok
    again.revert()
    assert again.read_back().ok
    assert cluster.whole()


@pytest.mark.parametrize("kind", [ReadinessBroken, ImageUnpullable])
def test_the_same_fault_once_more_is_taken_back_by_an_entry_of_its_own(cluster, tmp_path, kind):
    """The first one was reverted; its entry is pending until everything is read back."""
    undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d", "testbed", "t.yaml"))
    session = SimpleNamespace(
        released=False, undo=undo, record=lambda event, **more: None, check_lock=lambda: None
    )
    for number in (1, 2):
        one = fault(kind, cluster)
        session.target = one.target.model_copy(
            update={"blast_radius": BlastRadius(regions=[REGION], namespaces=["chat"])}
        )
        Session.write_undo(session, one)
        assert len(undo.pending) == number
        one.apply()
        assert one.observe().proven
        if number == 1:
            one.revert()
    found = restore(one.platform, undo)
    assert (found.verified, found.another, undo.pending) == (True, (), ())
    assert cluster.whole()
    undo.close()


def right_of(call):
    """The verb and the resource of a call to an object of the group or the core."""
    path, _, query = call.path.partition("?")
    path = path.strip("/").split("/")
    path = path[2 if path[0] == "api" else 3 :]
    resource, *named = path[2:] if path[0] == "namespaces" and len(path) > 2 else path
    verb = {"GET": "get" if named else "list"}.get(call.method, call.method.lower())
    if query.startswith("watch="):
        verb = "watch"
    return verb, resource


@pytest.mark.parametrize("way", ["killing", "draining", *RELEASES])
def test_whoever_may_not_see_that_it_is_whole_may_not_restore_it(cluster, way):
    """Each right that a revert and its read-back use is asked for.

    But those to see who scales the workloads, and to watch them: without it they are polled.
    """
    one = way_of(adapter(cluster), way)
    before = json.loads(json.dumps(one.before()))
    one.apply(before)
    made = len(cluster.shown.calls)
    one.revert(before)
    assert one.state(before).whole
    used = {right_of(call) for call in cluster.shown.calls[made:]}
    used -= {("list", "horizontalpodautoscalers"), ("list", "scaledobjects")}
    used -= {("watch", "deployments")}
    assert {("get", "deployments"), ("list", "pods")} <= used
    assert adapter(cluster).rehearse_revert() == ()
    for right in sorted(used):
        cluster.api.denied = {right}
        assert adapter(cluster).rehearse_revert() != (), right


def unready(cluster):
    """The pods that took a place are not ready yet."""
    new = [pod for pod in cluster.api.of("pods") if pod["metadata"]["uid"] not in cluster.first]
    for pod in new:
        pod["status"]["conditions"][0]["status"] = "False"
    return new


def test_a_status_from_before_the_kill_is_not_believed(cluster):
    """Right after it the workload still counts the killed pods: back are ready pods alone."""
    one = adapter(cluster, timeout_s=0.3).killing(34, 1)
    before = json.loads(json.dumps(one.before()))
    cluster.api.blind = cluster.api.stuck = True
    one.apply(before)
    assert one.workloads.counts()[1] == {"deployment/gateway": 3}
    state = one.state(before)
    assert (state.whole, state.shown) == (False, "available deployment/gateway 2")
    with pytest.raises(PortError, match="not available in time: deployment/gateway 2 of 3"):
        one.revert(before)
    cluster.api.stuck = False
    cluster.api.reconcile()
    new = unready(cluster)
    assert not one.state(before).whole
    for pod in new:
        pod["status"]["conditions"][0]["status"] = "True"
    one.revert(before)
    assert one.state(before).whole


def test_pods_of_others_and_pods_that_end_are_none_that_are_back(cluster):
    """A canary's has all the labels, and one that is killed stays ready while it ends."""
    one = adapter(cluster, timeout_s=0.3).killing(34, 1)
    before = json.loads(json.dumps(one.before()))
    cluster.api.blind = True
    (name,) = before[CHOSEN]
    path = f"{cluster.api.base('pods')}/{name}"
    cluster.api.objects[path]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.api.deployment("canary", 2, app="gateway", track="canary")
    state = one.state(before)
    assert not state.whole
    assert state.shown == f"available deployment/gateway 2, killed pods are left: {name}"
    with pytest.raises(PortError, match=f"killed pods are left: {name}"):
        one.revert(before)
    # Replaced already, and still not gone.
    kept = cluster.api.objects.pop(path)
    cluster.api.reconcile()
    cluster.api.objects[path] = kept
    state = one.state(before)
    assert not state.whole
    assert "available deployment/gateway 3, killed pods are left" in state.shown
    del cluster.api.objects[path]
    assert one.state(before).whole


def test_a_status_that_is_of_an_earlier_generation_counts_nothing(cluster):
    """Whatever pods there are: the controller has not seen the last change."""
    one = adapter(cluster, timeout_s=0.3).killing(34, 1)
    before = json.loads(json.dumps(one.before()))
    cluster.api.blind = True
    cluster.api.objects[f"{cluster.api.base('deployments')}/gateway"]["metadata"]["generation"] = 2
    state = one.state(before)
    assert (state.whole, state.shown) == (False, "available deployment/gateway 0")


@pytest.mark.parametrize("way", ["killing", "draining", *RELEASES])
@pytest.mark.parametrize(
    "change", [{"workloads": ["deployment/other"]}, {"namespace": "elsewhere"}], ids=str
)
def test_what_the_entry_names_is_taken_back_whatever_the_target_names_by_now(cluster, way, change):
    """A target that dropped a workload meanwhile, or moved, must not leave it as it is."""
    one = way_of(adapter(cluster), way)
    before = json.loads(json.dumps(one.before()))
    one.apply(before)
    if way == "killing":
        cluster.api.objects.pop(f"{cluster.api.base('pods')}/{sorted(pods(cluster))[0]}")
    elsewhere = lambda: way_of(adapter(cluster, timeout_s=0.3, **change), way)  # noqa: E731
    assert not elsewhere().state(before).whole
    assert elsewhere().look(before).facts == one.look(before).facts
    command = elsewhere().command(before)
    assert way == "draining" or ("-n chat" in command and "deployment/gateway" in command)
    cluster.api.reconcile()
    elsewhere().revert(before)
    state = elsewhere().state(before)
    assert state.whole
    assert "deployment/gateway 3" in state.shown
    assert cluster.whole()
