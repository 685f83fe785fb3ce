"""The power adapter `kubernetes` on a real API server: what only a real one shows.

Pods are kwok's: they have a status, a grace and no process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from floor_fixtures import REGION, a_target, await_true
from kubernetes_world import Live, Namespace, access

from muster import home
from muster.clock import SYSTEM_CLOCK
from muster.drill import current
from muster.platform.kubernetes import cluster as calls
from muster.platform.kubernetes.keda import PAUSED
from muster.platform.kubernetes.rollout import restart
from muster.platform.kubernetes.workloads import KILL_GRACE_S
from muster.platform.looks import Look
from muster.platform.port import PortError
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.kubernetes import ClusterAccess
from muster.targets.power import KubernetesPower
from muster.testbed.kubernetes.kwok import NEVER_READY
from probes.workloads import read

pytestmark = pytest.mark.kubernetes
GATEWAY, REDIS = "deployment/gateway", "statefulset/redis"
REFUSES = Look("refused", "refuses connections")
STILL_S = 15.0
LONG_S = 600
"""A grace that no test waits for."""


@pytest.fixture(autouse=True)
def unpaced(monkeypatch) -> None:
    """No other user of this API server could be slowed down."""
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)


@pytest.fixture
def space(live: Live) -> Namespace:
    return live.namespace()


@pytest.fixture
def region(space: Namespace) -> Namespace:
    """A region of two workloads of two kinds."""
    space.workload("gateway", 3, grace_s=1)
    space.workload("redis", 1, "StatefulSet")
    return space


def power(space: Namespace, *workloads: str, **more: object) -> PowerByKubernetes:
    section = access(space, workloads=workloads or (GATEWAY, REDIS), **more)
    return PowerByKubernetes("eu", KubernetesPower.model_validate(section))


def dark(one: PowerByKubernetes):
    return one.dark(lambda: REFUSES, 200, lambda: True)


def test_a_stop_returns_once_it_is_dark(region):
    """It waits for the end of the pods' grace, so the look right after it proves it."""
    one = power(region)
    before = one.before()
    assert (before["namespace"], before["replicas"]) == (region.name, {GATEWAY: 3, REDIS: 1})
    assert before["uids"] == {
        GATEWAY: region.get("gateway")["metadata"]["uid"],
        REDIS: region.get("redis", "StatefulSet")["metadata"]["uid"],
    }
    one.stop()
    assert dark(one).proven
    assert not region.pods()
    one.start(before)
    assert one.state(before).whole


def test_pods_in_their_grace_still_serve(space):
    """The workload's own status counts none; they are seen until they are gone."""
    space.workload("gateway", 2, grace_s=5)
    one = power(space, GATEWAY)
    space.scale("gateway", 0)
    await_true(lambda: not space.get("gateway")["status"].get("replicas"), "no replicas counted")
    proof = dark(one)
    assert (proof.proven, proof.facts["pods"]) == (False, {GATEWAY: 2})
    await_true(lambda: dark(one).proven, "the end of their grace", 60)


def test_a_selector_of_expressions_finds_its_pods(space):
    """Whatever its form: the API server writes it as one text."""
    chosen = [{"key": "app", "operator": "In", "values": ["gateway", "door"]}]
    chosen.append({"key": "old", "operator": "DoesNotExist"})
    space.workload("gateway", 2, labels={"app": "door"}, selector={"matchExpressions": chosen})
    one = power(space, GATEWAY)
    assert dark(one).facts["pods"] == {GATEWAY: 2}
    one.kill()
    assert dark(one).proven


def test_a_loss_begins_no_grace(space, live):
    """Every pod is deleted before its workload is scaled: none begins its own grace."""
    space.workload("gateway", 3, grace_s=LONG_S)
    space.workload("redis", 1, "StatefulSet", grace_s=LONG_S)
    first = {pod["metadata"]["uid"] for pod in space.pods()}
    drained: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for pod in space.pods():
                if pod["metadata"].get("deletionGracePeriodSeconds", 0) > KILL_GRACE_S:
                    drained.add(pod["metadata"]["uid"])

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    one = power(space)
    before = one.before()
    one.kill()
    ended.set()
    watching.join(timeout=30)
    assert not drained & first
    assert dark(one).proven
    one.start(before)
    assert one.state(before).whole


def test_a_canary_with_the_same_labels_lives_on(space):
    """Its pods match the selector; their controller is another."""
    space.workload("gateway", 2)
    labels = {"app": "gateway", "track": "canary"}
    space.workload("canary", 1, labels=labels)
    (canary,) = space.pods(track="canary")
    one = power(space, GATEWAY)
    one.kill()
    assert dark(one).proven
    (left,) = space.pods()
    assert left["metadata"]["uid"] == canary["metadata"]["uid"]


def test_a_pod_that_a_finalizer_keeps_is_not_gone(space, live):
    """It is shown as left over, for as long as it is there."""
    space.workload("gateway", 1, finalizers=["muster.test/keep"])
    one = power(space, GATEWAY, timeout_s=2)
    one.stop()
    assert dark(one).facts["pods"] == {GATEWAY: 1}
    with pytest.raises(PortError, match="pods are left: gateway-"):
        one.kill()
    (pod,) = space.pods()
    path = f"/api/v1/namespaces/{space.name}/pods/{pod['metadata']['name']}"
    live.call("PATCH", path, {"metadata": {"finalizers": None}})
    await_true(lambda: dark(one).proven, "the end of the pod")


def test_a_disruption_budget_holds_neither_a_stop_nor_a_loss(region, live):
    """It speaks of evictions. What is lost in a drill asks nobody for a budget."""
    spec = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "gateway"}}}
    base = f"/apis/policy/v1/namespaces/{region.name}/poddisruptionbudgets"
    live.call("POST", base, {"metadata": {"name": "all"}, "spec": spec})
    one = power(region)
    before = one.before()
    assert one.rehearse(kill=True) == ()
    one.kill()
    assert dark(one).proven
    one.start(before)
    one.stop()
    assert dark(one).proven


def test_the_journal_gets_what_the_cluster_shows(region, live, monkeypatch):
    """Through chaostoolkit-kubernetes, whose context the target names."""
    monkeypatch.setenv("KUBECONFIG", live.kubeconfig)
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, live.kubeconfig)
    section = access(region, workloads=[GATEWAY, REDIS]) | {"kubeconfig": None}
    target = a_target(region={"power": section})
    session = SimpleNamespace(target=target, clock=SYSTEM_CLOCK)
    monkeypatch.setattr(current, "_current", session)
    found = read(REGION)
    assert {name: one["status"]["availableReplicas"] for name, one in found.items()} == {
        GATEWAY: 3,
        REDIS: 1,
    }


# What would be refused

ROLES = {
    one["metadata"]["name"]: one["rules"]
    for one in yaml.safe_load_all((home.root() / "deploy/kubernetes/role.yaml").read_text())
    if one["kind"] == "Role"
}
DRILL, LOSS, KEDA, RESTART = (
    ROLES[f"muster-{name}"] for name in ("drill", "loss", "keda", "restart")
)


def unchanged(space: Namespace) -> bool:
    return space.asked("gateway") == 3 and len(space.pods()) == 4


def test_a_missing_right_is_told_before_anything_is_done(region, tmp_path):
    """A loss needs one right more than a stop; with all of them nothing is told."""
    own = region.kubeconfig_of(tmp_path, DRILL)
    one = power(region, kubeconfig=own)
    assert one.rehearse() == ()
    assert one.rehearse(kill=True) == (f"no right to delete pods in namespace {region.name}",)
    assert unchanged(region)


def test_the_roles_of_the_documentation_are_enough(region, tmp_path):
    """Stop, loss and start with these rights alone; who else sets replicas is known."""
    one = power(region, kubeconfig=region.kubeconfig_of(tmp_path, [*DRILL, *LOSS]))
    before = one.before()
    first = {pod["metadata"]["uid"] for pod in region.pods()}
    assert one.rehearse(kill=True) == ()
    assert one.others() == ()
    assert unchanged(region)
    # Not replaced either: a deletion that is tried deletes nothing.
    assert {pod["metadata"]["uid"] for pod in region.pods()} == first
    one.kill()
    assert dark(one).proven
    one.start(before)
    one.stop()
    assert dark(one).proven
    one.start(before)
    assert one.state(before).whole


def without_one(rules: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each right, and the rules that lack it alone."""
    for index, rule in enumerate(rules):
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                same = {**rule, "resources": [one for one in rule["resources"] if one != resource]}
                less = {**rule, "resources": [resource]}
                less["verbs"] = [one for one in rule["verbs"] if one != verb]
                parts = [one for one in (same, less) if one["resources"] and one["verbs"]]
                yield f"{verb} {resource}", [*rules[:index], *parts, *rules[index + 1 :]]


def test_the_roles_of_the_documentation_are_the_least(region, tmp_path, caplog):
    """Without any one of its rights a refusal, an unknown owner or a warning says which."""
    for right, rules in without_one([*DRILL, *LOSS]):
        caplog.clear()
        with caplog.at_level("WARNING", logger="chaostoolkit"):
            one = power(region, kubeconfig=region.kubeconfig_of(tmp_path, rules))
            try:
                told = " ".join([*one.rehearse(kill=True), *(other.said for other in one.others())])
            except PortError as error:
                told = str(error)
        verb, _, resource = right.partition(" ")
        told += caplog.text
        assert resource.partition("/")[0] in told, f"nothing is told without {right}: {told!r}"
        assert f"no right to {verb} " in told or "403" in told, f"without {right}: {told!r}"
    assert unchanged(region)


@pytest.fixture
def policy(live, region) -> Iterator[None]:
    """A policy of the cluster: nothing in that namespace may have no replicas."""
    base = "/apis/admissionregistration.k8s.io/v1"
    name = region.name
    scales = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"]}
    rules = [{**scales, "resources": ["deployments/scale"]}]
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "validations": [
            {
                "expression": "has(object.spec.replicas) && object.spec.replicas > 0",
                "message": "never none",
            }
        ],
    }
    live.call(
        "POST", f"{base}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}
    )
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    bound = {"policyName": name, "validationActions": ["Deny"], "matchResources": only}
    live.call(
        "POST",
        f"{base}/validatingadmissionpolicybindings",
        {"metadata": {"name": name}, "spec": bound},
    )
    yield
    live.call("DELETE", f"{base}/validatingadmissionpolicybindings/{name}")
    live.call("DELETE", f"{base}/validatingadmissionpolicies/{name}")


def test_a_policy_that_refuses_is_told_by_its_own_words(region, policy):
    """Found by the dry run; nothing is changed."""
    await_true(lambda: power(region).rehearse() != (), "the policy in force")
    (line,) = power(region).rehearse()
    assert line.startswith(f"{GATEWAY} to 0 replicas: Kubernetes PATCH deployments/gateway/scale:")
    assert "never none" in line
    assert unchanged(region)


def test_a_webhook_that_is_dead_is_told(region, live):
    """It would refuse the stop, and the start as well."""
    base = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    only = {"matchLabels": {"kubernetes.io/metadata.name": region.name}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"]}
    hook = {
        "name": "dead.muster.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"url": "https://127.0.0.1:1/dead"},
        "namespaceSelector": only,
        "rules": [{**rule, "resources": ["deployments/scale"]}],
    }
    live.call("POST", base, {"metadata": {"name": region.name}, "webhooks": [hook]})
    try:
        await_true(lambda: power(region).rehearse() != (), "the webhook in force")
        found = power(region).rehearse()
        assert [line.partition(":")[0] for line in found] == [
            f"{GATEWAY} to 0 replicas",
            f"{GATEWAY} to 3 replicas",
        ]
        assert all("dead.muster.test" in line for line in found)
    finally:
        live.call("DELETE", f"{base}/{region.name}")


def test_a_quota_that_shrank_is_told_beforehand(region):
    """Four pods are there and two allowed: what is stopped could not all come back."""
    region.quota(2)
    (line,) = power(region).rehearse()
    assert line.startswith("quota pods: 4 pods are used and 2 allowed")


# Coming back


def test_an_api_server_that_stands_still_is_asked_again(region, live, monkeypatch):
    """In the middle of a start; every call is given up and made again."""
    monkeypatch.setattr(calls, "CALL_S_MAX", 1.0)
    one = power(region)
    before = one.before()
    one.stop()
    failed: list[BaseException] = []

    def start() -> None:
        try:
            one.start(before)
        except BaseException as error:
            failed.append(error)

    with live.api_stopped() as go_on:
        starting = threading.Thread(target=start)
        starting.start()
        time.sleep(STILL_S)
        go_on()
        starting.join(timeout=120)
    assert not failed
    assert one.state(before).whole


def test_an_api_server_that_is_gone_is_asked_again(region, live, monkeypatch):
    """It refuses connections in the middle of a loss and of a start, and comes back."""
    one = power(region)
    before = one.before()
    for do, done in (
        (one.kill, lambda: dark(one).proven),
        (lambda: one.start(before), lambda: one.state(before).whole),
    ):
        failed: list[BaseException] = []

        def run(do=do, failed=failed) -> None:
            try:
                do()
            except BaseException as error:
                failed.append(error)

        with live.api_gone():
            working = threading.Thread(target=run)
            working.start()
            working.join(timeout=2)
        working.join(timeout=120)
        assert not failed
        # Controllers come back later than the API server, and may replace a pod for a moment.
        await_true(done, "what was done", 60)


def test_a_token_that_expired_is_read_again(region, live, tmp_path):
    """The old one is refused by the API server; the file has a new one by then."""
    rights = [*DRILL, *LOSS]
    path = region.kubeconfig_of(tmp_path, rights)
    one = power(region, kubeconfig=path)
    before = one.before()
    account = f"/api/v1/namespaces/{region.name}/serviceaccounts/drill"
    live.call("DELETE", account)
    with pytest.raises(PortError, match=r"401: Unauthorized$"):
        await_true(lambda: not one.before(), "a refusal", 60)
    assert region.kubeconfig_of(tmp_path, rights) == path
    one.stop()
    one.start(before)
    assert one.state(before).whole


def test_a_patch_that_acts_late_does_not_win(region, live, monkeypatch):
    """A stop gave up on a patch that the API server still has; the start after it stands."""
    monkeypatch.setattr(calls, "CALL_S_MAX", 1.0)
    one = power(region, GATEWAY)
    before = one.before()
    scale = one._cluster.scale_of(GATEWAY)
    late = {"metadata": {"resourceVersion": scale.version}, "spec": {"replicas": 0}}
    one.stop()
    one.start(before)
    with pytest.raises(calls.Conflict):
        one._cluster.cluster.patch(one._cluster.path(GATEWAY, "/scale"), late)
    assert one.state(before).whole


def test_one_of_three_is_not_back(region, live):
    """The quota shrank while it was dark."""
    one = power(region, GATEWAY, timeout_s=5)
    before = one.before()
    one.stop()
    quota = region.quota(2)
    with pytest.raises(PortError, match="not available in time: deployment/gateway 1 of 3"):
        one.start(before)
    assert not one.state(before).whole
    live.call("DELETE", quota)
    region.scale("gateway", 0)
    power(region, GATEWAY).start(before)
    assert one.state(before).whole


def test_a_restart_needs_the_rights_of_the_documentation(space, tmp_path):
    """Read and change of the deployment, and nothing else."""
    space.workload("toxiproxy", 1)
    own = space.kubeconfig_of(tmp_path, RESTART)
    where = {"namespace": space.name, "kubeconfig": own}
    restart(ClusterAccess.model_validate(where), "toxiproxy", 60)
    own = space.kubeconfig_of(tmp_path, DRILL)
    with pytest.raises(PortError, match=r"403: .*cannot patch"):
        restart(ClusterAccess.model_validate(where), "toxiproxy", 60)


def test_a_restart_whose_pods_cannot_start_is_an_error(space, live):
    """The old ones go on: that is no restart."""
    space.workload("gateway", 2)
    where = ClusterAccess.model_validate(
        {"namespace": space.name, "kubeconfig": space.live.kubeconfig}
    )
    restart(where, "gateway", 60)
    first = {pod["metadata"]["uid"] for pod in space.pods()}
    template = {"metadata": {"annotations": {NEVER_READY: "true"}}}
    live.call("PATCH", space.path(name="gateway"), {"spec": {"template": template}})
    with pytest.raises(PortError, match="deployment gateway: not restarted in 3 s: "):
        restart(where, "gateway", 3)
    assert first & {pod["metadata"]["uid"] for pod in space.pods()}


# Who else sets replicas


def test_an_autoscaler_is_never_fought(region, live):
    """It has set five since: they stay, and the region is back with them."""
    scaler = {
        "metadata": {"name": "gateway"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gateway"},
            "minReplicas": 2,
            "maxReplicas": 6,
            "metrics": [],
        },
    }
    base = f"/apis/autoscaling/v2/namespaces/{region.name}/horizontalpodautoscalers"
    live.call("POST", base, scaler)
    one = power(region)
    before = one.before()
    assert before["autoscaled"] == [GATEWAY]
    assert "gateway autoscaled from 2 to 6" in one.change().before
    assert [other.undoes for other in one.others()] == [False]
    one.stop()
    region.scale("gateway", 5)
    one.start(before)
    region.await_available("gateway", 5)
    state = one.state(before)
    assert (state.whole, state.autoscaled) == (True, True)
    assert region.asked("gateway") == 5
    assert "--current-replicas=0" in one.command(before)


def test_somebody_who_heals_replicas_is_seen_at_the_next_look(region):
    """As Argo CD does; what he set is told."""
    one = power(region)
    one.stop()
    assert dark(one).another == ""
    region.scale("gateway", 3)
    proof = dark(one)
    assert (proof.proven, proof.another) == (False, f"replicas 0 -> {GATEWAY} 3")


def crd(live: Live, group: str, plural: str, kind: str, version: str, **more: object) -> None:
    """A kind that others bring, in force."""
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    one = {"name": version, "served": True, "storage": True}
    one |= {"schema": {"openAPIV3Schema": open_schema}, **more}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [one]}
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    live.call("POST", base, {"metadata": {"name": f"{plural}.{group}"}, "spec": spec})
    path = f"/apis/{group}/{version}/{plural}"
    await_true(lambda: live.http.get(path).is_success, f"the kind {kind}", 60)


def scaled_object(
    live: Live, region: Namespace, name: str = "gateway", kind: str = "", **notes: str
) -> str:
    """KEDA's object that scales a workload of the region, with its own name; its path.

    Without a `kind` it means a deployment.
    """
    version = "keda.sh/v1alpha1"
    if not live.http.get(f"/apis/{version}").is_success:
        crd(live, "keda.sh", "scaledobjects", "ScaledObject", "v1alpha1")
    base = f"/apis/{version}/namespaces/{region.name}/scaledobjects"
    body = {
        "apiVersion": version,
        "kind": "ScaledObject",
        "metadata": {"name": name, "annotations": notes},
        "spec": {"scaleTargetRef": {"name": name} | ({"kind": kind} if kind else {})},
    }
    live.call("POST", base, body)
    return f"{base}/{name}"


def test_keda_is_known_by_its_own_objects(region, live):
    """It raises them from 0 again, unless it is paused."""
    path = scaled_object(live, region)
    (other,) = power(region).others()
    assert other.undoes
    live.call("PATCH", path, {"metadata": {"annotations": {PAUSED: "true"}}})
    (other,) = power(region).others()
    assert other.undoes is False


def test_keda_is_paused_for_a_drill_and_let_go_again(region, live):
    """Only where nobody had paused it; the region is not back while it is paused."""
    paths = {
        "gateway": scaled_object(live, region),
        "redis": scaled_object(live, region, "redis", "StatefulSet", **{PAUSED: "true"}),
    }

    def paused(name: str) -> bool:
        return bool(live.call("GET", paths[name])["metadata"].get("annotations"))

    one = power(region, pause_keda=True)
    assert [other.undoes for other in one.others()] == [False, False]
    assert one.rehearse() == ()
    assert one.change().after == "replicas 0, KEDA's gateway paused"
    before = one.before()
    assert before["keda"] == ["gateway"]
    assert not paused("gateway")
    one.stop()
    assert paused("gateway")
    for name, kind_of, count in (("gateway", "Deployment", 3), ("redis", "StatefulSet", 1)):
        region.scale(name, count, kind_of)
        region.await_available(name, count, kind_of)
    state = one.state(before)
    assert (state.whole, state.shown.endswith("KEDA's gateway paused")) == (False, True)
    assert one.command(before).endswith("annotate scaledobject/gateway autoscaling.keda.sh/paused-")
    one.start(before)
    assert one.state(before).whole
    assert (paused("gateway"), paused("redis")) == (False, True)


def test_keda_may_scale_again_where_a_start_fails(region, live):
    """It may bring back what the start could not; the start says what is missing all the same."""
    path = scaled_object(live, region)
    one = power(region, pause_keda=True, timeout_s=3)
    before = one.before()
    one.stop()
    region.quota(1)
    with pytest.raises(PortError, match="not available in time"):
        one.start(before)
    assert not live.call("GET", path)["metadata"].get("annotations")
    assert not one.state(before).whole


def test_keda_without_the_right_to_pause_it_is_told(region, live, tmp_path):
    """Before anything is done; with the role of the documentation nothing is told."""
    scaled_object(live, region)
    less = power(region, pause_keda=True, kubeconfig=region.kubeconfig_of(tmp_path, DRILL))
    named = f"scaledobjects gateway in namespace {region.name}"
    assert less.rehearse() == (f"no right to get {named}", f"no right to patch {named}")
    own = region.kubeconfig_of(tmp_path, [*DRILL, *KEDA])
    one = power(region, pause_keda=True, kubeconfig=own)
    assert one.rehearse() == ()
    before = one.before()
    one.stop()
    one.start(before)
    assert one.state(before).whole


def test_argo_cd_that_heals_is_told_from_its_own_object(region, live):
    """Its Application lists the workload; elsewhere than in the workload's namespace."""
    if not live.http.get("/apis/argoproj.io/v1alpha1").is_success:
        crd(live, "argoproj.io", "applications", "Application", "v1alpha1")
    base = f"/apis/argoproj.io/v1alpha1/namespaces/{live.namespace().name}/applications"
    listed = [{"kind": "Deployment", "namespace": region.name, "name": "gateway"}]
    app = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "chat"},
        "spec": {"syncPolicy": {"automated": {"selfHeal": True}}},
        "status": {"resources": listed},
    }
    live.call("POST", base, app)
    (other,) = power(region).others()
    assert (other.undoes, "heals its replicas within seconds" in other.said) == (True, True)
    off = {"spec": {"syncPolicy": {"automated": {"selfHeal": False}}}}
    live.call("PATCH", f"{base}/chat", off)
    (other,) = power(region).others()
    assert other.undoes is False


def test_any_kind_with_a_scale_is_scaled(space, live):
    """Its pods are those whose owners lead to it; its availability must be shown."""
    paths = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    crd(live, "muster.test", "doors", "Door", "v1", subresources={"scale": paths, "status": {}})
    base = f"/apis/muster.test/v1/namespaces/{space.name}/doors"
    body = {"apiVersion": "muster.test/v1", "kind": "Door", "metadata": {"name": "front"}}
    made = live.call("POST", base, {**body, "spec": {"replicas": 2}})
    live.call("PATCH", f"{base}/front/status", {"status": {"selector": "app=door"}})
    one = power(space, "doors.muster.test/front")
    with pytest.raises(PortError, match=r"status\.availableReplicas: got None"):
        one.before()
    live.call("PATCH", f"{base}/front/status", {"status": {"availableReplicas": 2}})
    before = one.before()
    owner = {"apiVersion": "muster.test/v1", "kind": "Door", "name": "front", "controller": True}
    pod = {
        "metadata": {
            "name": "front-0",
            "labels": {"app": "door"},
            "ownerReferences": [{**owner, "uid": made["metadata"]["uid"]}],
        },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "none.invalid/none"}],
        },
    }
    live.call("POST", f"/api/v1/namespaces/{space.name}/pods", pod)
    assert dark(one).facts["pods"] == {"doors.muster.test/front": 1}
    one.kill()
    assert dark(one).proven
    assert live.call("GET", f"{base}/front")["spec"]["replicas"] == 0
    one.start(before)
    assert live.call("GET", f"{base}/front")["spec"]["replicas"] == 2


def test_an_error_is_the_servers_own_line(space):
    """Without HTTP headers, and without a token."""
    with pytest.raises(PortError) as caught:
        power(space).before()
    wanted = 'Kubernetes GET deployments/gateway: 404: deployments.apps "gateway" not found'
    assert str(caught.value) == wanted
