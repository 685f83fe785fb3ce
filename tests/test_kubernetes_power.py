"""Deployments scaled to 0 and back, against a stand-in for a cluster's API."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime

import pytest
from floor_fixtures import REGION, KubernetesStandIn, a_target, free_port, kubeconfig, stand_in

from muster.errors import BadInput
from muster.faults import fault_of, undo_params_of
from muster.faults.region_loss import RegionLoss
from muster.faults.region_power import RegionPower
from muster.platform import platform_of
from muster.platform.kubernetes import cluster as calls
from muster.platform.kubernetes.known import UIDS
from muster.platform.kubernetes.workloads import Workloads
from muster.platform.port import PortError
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower
from muster.undo import UndoEntry

NAMES = ("deployment/gateway", "deployment/redis")
GATEWAY, REDIS = NAMES
BEFORE = {GATEWAY: 3, REDIS: 1}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The stand-in cluster, with KUBECONFIG pointing to it; its front is ready with its pods."""
    cluster = KubernetesStandIn({"gateway": 3, "redis": 1})
    with stand_in(cluster.answer) as api:
        cluster.shown = api
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", api.url)))
        monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
        monkeypatch.delenv("HTTP_PROXY", raising=False)
        yield cluster


@pytest.fixture
def front(cluster):
    """A load balancer's stand-in: it always answers, 200 only while a gateway runs."""

    def answer(call):
        return (200 if cluster.available["gateway"] else 503), ""

    with stand_in(answer) as shown:
        yield shown.url


def power(**more):
    data = {"kind": "kubernetes", "namespace": "chat", "workloads": NAMES}
    return KubernetesPower.model_validate(data | {"timeout_s": 10} | more)


def the_fault(front, **more):
    region = {"ready_url": front, "power": power(**more).model_dump()}
    return RegionPower(platform_of(a_target(region=region)), REGION)


def test_it_bites_is_seen_and_goes_away(cluster, front):
    """No pods and not ready is dark, though a balancer answers; the replicas come back."""
    fault = the_fault(front, context="stand-in")
    assert not fault.observe().proven
    params = fault.undo_params()
    assert params["replicas"] == BEFORE
    fault.apply()
    assert cluster.replicas == {"gateway": 0, "redis": 0}
    proof = fault.observe()
    assert proof.proven
    assert proof.facts["pods"] == {GATEWAY: 0, REDIS: 0}
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
    assert fault.change().after == "replicas 0, pods deleted with 1 s of grace"
    params = fault.undo_params()
    fault.apply()
    assert cluster.replicas == {"gateway": 0, "redis": 0}
    assert sorted(cluster.killed) == ["gateway-0", "gateway-1", "gateway-2", "redis-0"]
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
    assert proof.facts["pods"] == {GATEWAY: 3, REDIS: 1}


def test_pods_that_terminate_still_serve(cluster, front):
    """A deployment counts 0 replicas as soon as its pods begin to end: they are listed by label."""
    fault = the_fault(front, timeout_s=0.1)
    fault.undo_params()
    cluster.terminating["gateway"] = 1
    fault.apply()
    assert cluster.available["gateway"] == 0
    assert fault.observe().facts["pods"] == {GATEWAY: 1, REDIS: 0}
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


def test_anothers_pods_are_neither_counted_nor_killed(cluster, front):
    """A canary has all the labels of the workload, and a controller of its own."""
    fault = RegionLoss(
        platform_of(a_target(region={"ready_url": front, "power": power().model_dump()})), REGION
    )
    cluster.others = 2
    fault.undo_params()
    fault.apply()
    assert not [name for name in cluster.killed if name.startswith("canary")]
    assert fault.observe().proven


def test_replicas_that_somebody_asks_for_in_the_dark_are_told(cluster, front):
    """Whoever lights the dark region is told with what he set, before a pod is there."""
    fault = the_fault(front)
    fault.undo_params()
    fault.apply()
    cluster.replicas["gateway"] = 2
    cluster.stuck = True
    proof = fault.observe()
    assert (proof.proven, proof.another) == (False, "replicas 0 -> deployment/gateway 2")


@pytest.mark.parametrize(
    ("bounds", "asked", "back"),
    [
        ({}, 5, True),
        ({}, 2, False),
        ({"gateway": (2, 6)}, 5, True),
        ({"gateway": (2, 4)}, 5, False),
        ({"other": (2, 6)}, 2, False),
        ({"gateway": (2, 6)}, 2, True),
        ({}, 3, True),
    ],
)
def test_other_replicas_are_back_within_an_autoscalers_bounds(cluster, front, bounds, asked, back):
    """An autoscaler may have moved them since; without one there must be as many, or more."""
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
    assert back.actual == (
        "ready, replicas deployment/gateway 3, deployment/redis 1, "
        "available deployment/gateway 1, deployment/redis 1"
    )


def test_fewer_replicas_than_before_are_not_back(cluster, front):
    """Ready again with one gateway of three is not as it was."""
    fault = the_fault(front)
    fault.undo_params()
    cluster.replicas["gateway"] = 1
    back = fault.read_back()
    assert not back.ok
    assert back.actual == "ready, replicas deployment/gateway 1, deployment/redis 1"


def test_a_scale_that_does_not_show_is_an_error(cluster, front):
    """A cluster that says yes and changes nothing is found out by the read-back."""
    cluster.ignores_scale = True
    with pytest.raises(PortError, match="deployment/gateway: another change was faster"):
        the_fault(front, timeout_s=0.1).apply()


def shown():
    return Workloads(power(), NAMES)


def test_it_waits_for_pods_and_not_for_an_old_status(cluster):
    """A status that still speaks of before the change is not believed."""
    cluster.lag = 4
    it = shown()
    until_s = time.monotonic() + 10
    it.set(lambda name, asked: 2 if name == GATEWAY else None, until_s)
    it.await_available({GATEWAY: 2, REDIS: 1}, until_s)
    assert cluster.available["gateway"] == 2
    assert cluster.observed == cluster.generation


def test_pods_that_never_come_are_an_error_in_time(cluster):
    """The wait for pods is bounded by the target's own time-out."""
    cluster.stuck = True
    with pytest.raises(PortError, match="not available in time: deployment/gateway 3 of 5"):
        shown().await_available({GATEWAY: 5}, time.monotonic())


def test_fewer_than_asked_for_before_the_fault_is_refused(cluster, front):
    """Nobody could tell afterwards whether all of it is back."""
    cluster.stuck = True
    cluster.available["gateway"] = 2
    with pytest.raises(PortError, match="not whole before the fault: replicas deployment/gateway"):
        the_fault(front).undo_params()


def test_a_drained_region_need_not_be_available(cluster, front):
    """Its gateways fail their readiness probe; what has to come back is what is asked for."""
    cluster.stuck = True
    cluster.available["gateway"] = 0
    fault = the_fault(front)
    fault.drained = True
    assert fault.undo_params()["replicas"] == {GATEWAY: 3, REDIS: 1}
    cluster.replicas["gateway"] = 0
    with pytest.raises(PortError, match="not running before the fault"):
        fault.undo_params()


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
        "kubectl -n chat scale deployment/gateway --replicas=3; "
        "kubectl -n chat scale deployment/redis --replicas=1"
    )
    named = the_fault(front, context="stand-in")
    named.undo_params()
    assert named.command().count("kubectl -n chat --context stand-in scale deployment/") == 2


def test_one_deployment_that_is_gone_keeps_no_other_down(cluster, front):
    """The rest is scaled back all the same, and the one that could not be is told."""
    fault = the_fault(front)
    fault.undo_params()
    fault.apply()
    del cluster.replicas["gateway"]
    with pytest.raises(PortError, match=r"gateway: Kubernetes GET .*404"):
        fault.revert()
    assert cluster.replicas == {"redis": 1}


def test_a_half_done_apply_goes_back(cluster, front):
    """Only one of two was scaled when the drill died."""
    fault = the_fault(front)
    fault.undo_params()
    cluster.replicas["gateway"] = 0
    fault.revert()
    assert fault.read_back().ok


def test_the_line_by_hand_fights_no_autoscaler(cluster, front):
    """What an autoscaler has set since stays; it sets nothing while there are none."""
    cluster.autoscalers = {"gateway": (2, 6)}
    fault = the_fault(front)
    assert fault.change().before.endswith("deployment/gateway autoscaled from 2 to 6")
    fault.undo_params()
    (first, second) = fault.command().split("; ")
    assert first.endswith("scale deployment/gateway --current-replicas=0 --replicas=3")
    assert "current" not in second


def test_what_an_autoscaler_has_set_is_left(cluster, front):
    """The revert sets replicas only where there are none, or too few of nobody's."""
    cluster.autoscalers = {"gateway": (2, 6)}
    fault = the_fault(front)
    fault.undo_params()
    cluster.replicas = {"gateway": 5, "redis": 4}
    fault.revert()
    assert cluster.replicas == {"gateway": 5, "redis": 4}
    assert fault.read_back().ok


def test_an_entry_of_an_older_log_names_deployments_alone(cluster, front):
    """Its keys have no kinds: deployments are meant."""
    entry = UndoEntry(
        "u1", "region_power", f"region {REGION}", REGION, {"replicas": {"gateway": 3}}
    )
    cluster.replicas["gateway"] = 0
    fault_of(the_fault(front).platform, entry).revert()
    assert cluster.replicas["gateway"] == 3


@pytest.mark.parametrize(
    "change", [{"workloads": [GATEWAY]}, {"workloads": [REDIS], "namespace": "elsewhere"}], ids=str
)
def test_what_was_stopped_is_started_whatever_the_target_names_by_now(cluster, front, change):
    """The undo entry says what stood where."""
    fault = the_fault(front)
    params = json.loads(json.dumps(undo_params_of(fault)))
    fault.apply()
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    again = fault_of(the_fault(front, **change).platform, entry)
    assert not again.read_back().ok
    assert again.command() == fault.command()
    again.revert()
    assert again.read_back().ok
    assert cluster.replicas == {"gateway": 3, "redis": 1}
    assert not [one for one in cluster.asked if "/elsewhere/" in one]


@pytest.mark.parametrize("kind", [{"kind": "none"}, {"kind": "command", "argv": ["/bin/true"]}])
def test_a_target_that_stops_otherwise_by_now_restores_nothing(cluster, front, kind):
    """Told by the key that is to be set again; the entry stays."""
    fault = the_fault(front)
    params = undo_params_of(fault)
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    platform = platform_of(a_target(region={"ready_url": front, "power": kind}))
    said = f"regions.{REGION}.power.kind: got '{kind['kind']}', expected kubernetes, as when region"
    with pytest.raises(BadInput, match=said):
        fault_of(platform, entry)


@pytest.mark.parametrize(
    ("denied", "kill", "says"),
    [
        (("patch",), False, "no right to patch deployments/scale gateway in namespace chat"),
        (("delete",), True, "no right to delete pods in namespace chat"),
        (("delete",), False, ""),
        ((), True, ""),
    ],
)
def test_missing_rights_are_told_before_anything_is_done(cluster, front, denied, kill, says):
    """A loss needs one more than a stop."""
    cluster.denied = denied
    kind = RegionLoss if kill else RegionPower
    region = {"ready_url": front, "power": power().model_dump()}
    found = kind(platform_of(a_target(region=region)), REGION).rehearse()
    assert says in " ".join(found)
    assert bool(found) is bool(says)
    assert (cluster.replicas, cluster.killed) == ({"gateway": 3, "redis": 1}, [])


def test_an_unknown_deployment_is_an_error(cluster):
    """A mistyped name is told by the API's own answer."""
    with pytest.raises(PortError, match=r"GET deployments/gatewya/scale: 404: no /apis/apps/v1"):
        Workloads(power(), ["deployment/gatewya"]).asked()


def test_a_context_is_never_looked_for_elsewhere(cluster, tmp_path, monkeypatch):
    """An unknown context or no kubeconfig is an error: another cluster must not be scaled."""
    with pytest.raises(PortError, match=r"Kubernetes: .*production"):
        Workloads(power(context="production"), NAMES)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(PortError, match=r"Kubernetes: kubeconfig .*/none: "):
        Workloads(power(context="stand-in"), NAMES)


def test_a_kubeconfig_of_the_target_is_the_one_that_is_read(cluster, tmp_path, monkeypatch):
    """Whatever $KUBECONFIG says."""
    own = os.environ["KUBECONFIG"]
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert Workloads(power(kubeconfig=own), NAMES).asked() == BEFORE


def test_credentials_that_expired_are_read_again(tmp_path, monkeypatch):
    """The kubeconfig has another token since, as plugins and token files have."""
    cluster = KubernetesStandIn({"gateway": 3, "redis": 1})
    good = "first"

    def answer(call):
        sent = {name.lower(): value for name, value in call.headers.items()}
        if sent.get("authorization") != f"Bearer {good}":
            return 401, {"kind": "Status", "status": "Failure", "message": "Unauthorized"}
        return cluster.answer(call)

    with stand_in(answer) as api:
        path = kubeconfig(tmp_path / "kubeconfig", api.url)
        text = path.read_text()
        path.write_text(text.replace("testing", "first"))
        it = Workloads(power(kubeconfig=str(path)), NAMES)
        assert it.asked() == BEFORE
        good = "second"
        with pytest.raises(PortError, match="401: Unauthorized"):
            it.asked()
        path.write_text(text.replace("testing", "second"))
        assert it.asked() == BEFORE


def test_a_cluster_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    """A refused connection is told in one line."""
    path = kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PortError, match="Kubernetes GET deployments/gateway/scale") as caught:
        Workloads(power(kubeconfig=str(path)), NAMES).asked()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("count", "seconds"), [(1, 5.0), (3, 5.0), (16, 18.0)])
def test_a_look_at_many_workloads_may_take_as_long_as_its_reads(
    tmp_path, monkeypatch, count, seconds
):
    """Two of each at two a second: a look that is held for late would prove no region dark."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    names = [f"deployment/w{number}" for number in range(count)]
    assert PowerByKubernetes(REGION, power(workloads=names)).look_s_max == seconds


def by_log(fault, params):
    """What another process makes of the undo log."""
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    return fault_of(platform_of(fault.target), entry)


def test_a_context_that_leads_to_another_cluster_restores_nothing(cluster, front):
    """Workloads of the same names stand there, whole: they were never stopped."""
    fault = the_fault(front)
    params = undo_params_of(fault)
    fault.apply()
    cluster.uids = " of another cluster"
    for count, shown in ((0, "stopped there too"), (3, "whole there")):
        cluster.replicas.update(gateway=count, redis=min(count, 1))
        one = by_log(fault, params)
        for call in (one.read_back, one.revert):
            with pytest.raises(PortError, match="another one than the drill has changed"):
                call()
        assert cluster.replicas["gateway"] == count, shown


def test_a_workload_that_was_created_anew_is_started(cluster, front):
    """Somebody deployed it again in mid-drill: it takes the place of the one that was stopped."""
    fault = the_fault(front)
    params = undo_params_of(fault)
    fault.apply()
    cluster.uids, cluster.created = " anew", "2199-01-01T00:00:00Z"
    one = by_log(fault, params)
    one.revert()
    assert one.read_back().ok
    assert cluster.replicas == {"gateway": 3, "redis": 1}


def test_a_clock_of_the_api_server_that_is_behind_hides_no_region(cluster, front):
    """What was created anew is compared with that clock's own time, not with this machine's."""
    cluster.shown.behind_s = 90.0
    fault = the_fault(front)
    params = undo_params_of(fault)
    fault.apply()
    created = datetime.fromtimestamp(time.time() - 90.0 + 1.0, tz=UTC)
    cluster.uids, cluster.created = " anew", created.strftime("%Y-%m-%dT%H:%M:%SZ")
    by_log(fault, params).revert()
    assert cluster.replicas == {"gateway": 3, "redis": 1}


def test_an_entry_that_names_no_uids_is_restored_as_ever(cluster, front):
    """Logs of earlier versions."""
    fault = the_fault(front)
    params = undo_params_of(fault)
    fault.apply()
    cluster.uids = " of another cluster"
    one = by_log(fault, {key: value for key, value in params.items() if key != UIDS})
    one.revert()
    assert one.read_back().ok
