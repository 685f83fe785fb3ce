"""Game days on a real API server: the manifests, their rights, and a drill whose pod is killed.

Pods of the manifests are kwok's. Where processes matter, a pod is the processes that it would have.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import test_stores
from floor_fixtures import await_true
from game_day_cluster import (
    BACK_S_MAX,
    DEPLOY,
    GROUPS,
    apply,
    create,
    dark_world,
    documents,
    kubeconfig_as,
)
from kubernetes_world import PODS, SOON_S, Live, Namespace, access
from pod_drill import DRILL
from racing import race
from shared_targets import shared_document, write_target

from muster import targets
from muster.drill.lock.held import TargetLock
from muster.drill.phases.preflight import lock_kept
from muster.drill.undo.store import stored_undo
from muster.errors import MusterError
from muster.platform.cluster.kubernetes import ClusterByKubernetes
from muster.platform.kubernetes import cluster as calls
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.partition.network_policy import PartitionByNetworkPolicy
from muster.platform.port import PortError
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.platform.restart.kubernetes import RestartByKubernetes
from muster.stores import store_of
from muster.targets.cluster import KubernetesCluster
from muster.targets.kubernetes import ClusterAccess
from muster.targets.partition import NetworkPolicyPartition
from muster.targets.power import KubernetesPower
from muster.targets.restart import KubernetesRestart
from muster.targets.shared import SharedKubernetes
from muster.testbed.kubernetes.control_plane import CONTEXT

pytestmark = pytest.mark.kubernetes
FILES = sorted((DEPLOY / "game-day").glob("*.yaml"))
RENEWALS = 7
"""So many renewals take longer than a dead holder is watched for."""


@pytest.fixture(autouse=True)
def unpaced(monkeypatch) -> None:
    """No other user of this API server could be slowed down."""
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)


@pytest.fixture
def home_space(live: Live) -> Namespace:
    """The namespace that is called `muster` in the manifests, with its Pod Security level."""
    space = live.namespace()
    (made,) = [one for one in documents("muster.yaml", space.name) if one["kind"] == "Namespace"]
    labels = made["metadata"]["labels"]
    live.call("PATCH", f"/api/v1/namespaces/{space.name}", {"metadata": {"labels": labels}})
    return space


# What the API server and its admission say of the manifests


def pod_of(document: dict[str, Any]) -> dict[str, Any]:
    """The pod that a workload or a job makes."""
    spec = document["spec"]
    template = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it"}, "spec": template["spec"]}


def test_every_manifest_is_taken_as_it_stands(live, home_space):
    """Strictly: no field unknown; as restricted pods, and a pod that is not is refused there."""
    region = live.namespace()
    for file in FILES:
        apply(live, file.name, home_space, region)
    path = f"/apis/apps/v1/namespaces/{home_space.name}/deployments/standby"
    await_true(
        lambda: live.call("GET", path).get("status", {}).get("availableReplicas") == 2,
        "both that stand by",
        SOON_S,
    )
    pods = PODS.format(home_space.name) + "?dryRun=All"
    for name in ("cronjob.yaml", "standby.yaml", "recover.yaml"):
        pod = pod_of(documents(name, home_space.name)[0])
        live.call("POST", pods, pod)
        worse = deepcopy(pod)
        del worse["spec"]["containers"][0]["securityContext"]
        answer = live.http.post(pods, json=worse)
        assert answer.status_code == 403
        assert "violates PodSecurity" in answer.text


def schedule(minutes_ago: int) -> str:
    """Once a day, the last time so many minutes ago."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return f"{at.minute} {at.hour} * * *"


@pytest.fixture
def cron_job(live: Live, home_space: Namespace) -> Iterator[Any]:
    """Makes the game day's CronJob as if its last date but one was a day ago."""
    apply(live, "muster.yaml", home_space)
    made: list[str] = []
    base = f"/apis/batch/v1/namespaces/{home_space.name}/cronjobs"

    def make(name: str, minutes_ago: int) -> str:
        (one,) = documents("cronjob.yaml", home_space.name)
        one["metadata"]["name"] = name
        one["spec"]["schedule"] = schedule(minutes_ago)
        create(live, one, home_space.name)
        made.append(f"{base}/{name}")
        long_ago(made[-1])
        return made[-1]

    def long_ago(path: str) -> None:
        day = (datetime.now(UTC) - timedelta(days=1, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        live.call("PATCH", f"{path}/status", {"status": {"lastScheduleTime": day}})

    yield SimpleNamespace(make=make, long_ago=long_ago)
    for path in made:
        live.call("DELETE", path)


def jobs(live: Live, space: Namespace, owner: str) -> list[dict[str, Any]]:
    found = live.call("GET", f"/apis/batch/v1/namespaces/{space.name}/jobs")["items"]
    return [one for one in found if one["metadata"]["name"].startswith(f"{owner}-")]


def test_a_game_day_begins_once_and_is_neither_doubled_nor_made_up_for(live, home_space, cron_job):
    """While one lasts the next date is left out; one missed by too long is not begun at all."""
    missed = cron_job.make("missed", 20)
    now = cron_job.make("now", 1)
    await_true(lambda: jobs(live, home_space, "now"), "the game day", SOON_S)
    live.call("PATCH", now, {"spec": {"schedule": schedule(3)}})
    cron_job.long_ago(now)
    events = f"/api/v1/namespaces/{home_space.name}/events"

    def left_out() -> bool:
        found = live.call("GET", events)["items"]
        return any(one["reason"] == "JobAlreadyActive" for one in found)

    await_true(left_out, "a date left out", SOON_S)
    assert len(jobs(live, home_space, "now")) == 1
    assert jobs(live, home_space, "missed") == []
    live.call("PATCH", missed, {"spec": {"startingDeadlineSeconds": 7200}})
    await_true(lambda: jobs(live, home_space, "missed"), "a date within the deadline", SOON_S)


def test_a_drill_whose_pod_is_gone_is_not_begun_anew(live, home_space, cron_job):
    """Its job has failed, and no second pod comes."""
    cron_job.make("now", 1)
    await_true(lambda: home_space.pods(), "the drill's pod", SOON_S)
    (pod,) = home_space.pods()
    path = f"{PODS.format(home_space.name)}/{pod['metadata']['name']}"
    live.call("DELETE", path, {"gracePeriodSeconds": 0})

    def failed() -> bool:
        (job,) = jobs(live, home_space, "now")
        met = job["status"].get("conditions", ())
        return any((one["type"], one["status"]) == ("Failed", "True") for one in met)

    await_true(failed, "the end of the job", SOON_S)
    assert home_space.pods() == []


# Rights: enough, and each of them needed


@pytest.fixture
def drills(live, home_space, tmp_path):
    """A target whose lock and changes are in the manifests' namespace, as the drill's account."""
    apply(live, "muster.yaml", home_space)
    data = shared_document("http://127.0.0.1:9")
    data["shared"] = {
        "kind": "kubernetes",
        "namespace": home_space.name,
        "context": CONTEXT,
        "kubeconfig": kubeconfig_as(home_space, "drill", tmp_path),
        "lease_s": 600,
    }
    return targets.load(write_target(tmp_path / "t.yaml", data))


@pytest.mark.parametrize(
    "check",
    [
        test_stores.test_what_is_written_is_read_back,
        test_stores.test_nothing_is_none,
        test_stores.test_who_names_an_old_state_is_refused,
        test_stores.test_a_key_holds_its_own_and_not_its_neighbours,
    ],
    ids=lambda check: check.__name__,
)
def test_the_store_is_one_on_a_real_api_server(drills, check):
    """With the rights of `muster-state`."""
    check(store_of(drills.shared))


def test_of_many_at_once_one_wins_on_a_real_api_server(drills):
    """Each with a client of its own, at the same state of the record."""
    shared = drills.shared
    made = iter(range(100))

    def own():
        one = shared.model_copy(update={"lease_s": 300.0 + next(made)})
        return store_of(SharedKubernetes.model_validate(one.model_dump()))

    won = race(own, "lock/race")
    assert len(won) == 1
    assert own().read("lock/race").text == won[0]


def refused(target) -> str:
    """What a drill is refused with that begins on `target`; empty: its lock and store are sound."""
    lock = TargetLock(target, "d1")
    try:
        lock.acquire()
        wrong = lock_kept(SimpleNamespace(lock=lock, target=target))
        stored_undo(target)
        return wrong
    except MusterError as error:
        return str(error)
    finally:
        lock.release()


def test_without_any_right_of_the_store_no_drill_begins(live, home_space, drills, monkeypatch):
    """Each verb of `muster-state` is missed before the first effect, by its name."""
    path = f"{GROUPS['Role']}/namespaces/{home_space.name}/roles/muster-state"
    rules = live.call("GET", path)["rules"]
    (rule,) = rules
    assert refused(drills) == ""
    for verb in rule["verbs"]:
        left = [one for one in rule["verbs"] if one != verb]
        live.call("PATCH", path, {"rules": [rule | {"verbs": left}]})
        await_true(lambda said=verb: f"cannot {said}" in refused(drills), f"no {verb}", SOON_S)
        live.call("PATCH", path, {"rules": rules})
        await_true(lambda: refused(drills) == "", f"{verb} again", SOON_S)


def test_the_right_to_recover_is_enough_and_each_part_of_it_needed(live, home_space, tmp_path):
    """The standby's account starts a dark region, may not stop it, and tells what it lacks."""
    region = live.namespace()
    apply(live, "muster.yaml", home_space)
    apply(live, "region.yaml", home_space, region)
    region.workload("gateway", 2)
    region.workload("redis", 1, "StatefulSet")
    account = kubeconfig_as(home_space, "standby", tmp_path)

    def power(**more) -> PowerByKubernetes:
        names = ("deployment/gateway", "statefulset/redis")
        section = access(region, workloads=names, **more)
        return PowerByKubernetes("eu", KubernetesPower.model_validate(section))

    before = power().before()
    power().stop()
    restores = power(kubeconfig=account)
    assert restores.rehearse_revert() == ()
    assert any("delete pods" in line for line in restores.rehearse(kill=True))
    restores.start(before)
    assert restores.state(before).whole
    keda = power(kubeconfig=account, pause_keda=True)
    assert keda.rehearse_revert() == ()
    path = f"{GROUPS['Role']}/namespaces/{region.name}/roles/muster-recover"
    rules = live.call("GET", path)["rules"]
    for number, rule in enumerate(rules):
        if rule["resources"] == ["horizontalpodautoscalers"]:
            continue  # Without it only the replicas of before will do.
        for verb in rule["verbs"]:
            left = [one for one in rule["verbs"] if one != verb]
            fewer = [*rules[:number], rule | {"verbs": left}, *rules[number + 1 :]]
            live.call("PATCH", path, {"rules": [one for one in fewer if one["verbs"]]})
            said = f"no right to {verb} {rule['resources'][0]}"
            await_true(
                lambda said=said: any(line.startswith(said) for line in keda.rehearse_revert()),
                said,
                SOON_S,
            )
        live.call("PATCH", path, {"rules": rules})
        await_true(lambda: keda.rehearse_revert() == (), "all rights again", SOON_S)


def bound_for_standby(live: Live, home: Namespace, region: Namespace) -> dict[str, str]:
    """Binds every `muster-recover-…` of the manifest to the standby's account; path by name."""
    group, base = "rbac.authorization.k8s.io", GROUPS["Role"]
    subject = {"kind": "ServiceAccount", "name": "standby", "namespace": home.name}
    found = {}
    for one in documents("region.yaml", home.name):
        name = one["metadata"]["name"]
        if one["kind"] == "ClusterRole":
            # The cluster's own, not the namespace's: by a name of this test.
            where, own = base, region.name
            live.call("POST", f"{base}/clusterroles", one | {"metadata": {"name": own}})
        elif one["kind"] == "Role" and name != "muster-recover":
            where, own = f"{base}/namespaces/{region.name}", name
        else:
            continue
        role = {"apiGroup": group, "kind": one["kind"], "name": own}
        kind = f"{one['kind'].lower()}bindings"
        body = {"metadata": {"name": own}, "roleRef": role, "subjects": [subject]}
        live.call("POST", f"{where}/{kind}", body)
        found[name] = f"{where}/{one['kind'].lower()}s/{own}"
    return found


def test_the_roles_to_recover_the_rest_are_enough_and_each_part_of_them_needed(
    live, home_space, tmp_path
):
    """What else a drill may change in a cluster: the standby's account undoes it, or says why not.

    Without these roles it is not ready, though it has all that power and steering need.
    """
    region = live.namespace()
    apply(live, "muster.yaml", home_space)
    apply(live, "region.yaml", home_space, region)
    region.workload("gateway", 2)
    account = kubeconfig_as(home_space, "standby", tmp_path)
    where = {"kind": "kubernetes", "workloads": ("deployment/gateway",)}

    def ports(**more: Any) -> dict[str, Any]:
        named = access(region, **where, node="any", **more)
        cluster = ClusterByKubernetes("eu", KubernetesCluster.model_validate(named))
        named = access(region, **where, **more) | {"kind": "network_policy"}
        policy = PartitionByNetworkPolicy("eu", NetworkPolicyPartition.model_validate(named))
        named = access(region, deployment="gateway", **more)
        restart = RestartByKubernetes(KubernetesRestart.model_validate(named))
        job = LoadJob(ClusterAccess.model_validate(base_of(access(region, **more))), "load")
        return {
            "muster-recover-cluster": cluster,
            "muster-recover-node": cluster,
            "muster-recover-partition": policy,
            "muster-recover-restart": restart,
            "muster-recover-load": job,
        }

    mine = ports(kubeconfig=account)
    for name, port in mine.items():
        assert port.rehearse_revert() != (), f"{name}: nothing is missed without it"
    paths = bound_for_standby(live, home_space, region)
    for name, port in mine.items():
        await_true(lambda port=port: port.rehearse_revert() == (), name, SOON_S)

    # A drill does it by its own account; who stands by undoes it by his.
    drills = ports()
    cut = drills["muster-recover-partition"].before()
    drills["muster-recover-partition"].cut(cut)
    mine["muster-recover-partition"].join(cut)
    assert drills["muster-recover-partition"].state(cut) == "whole"
    release = drills["muster-recover-cluster"].releasing("readiness")
    before = release.before()
    release.apply(before)
    restores = mine["muster-recover-cluster"].releasing("readiness")
    restores.revert(before)
    assert restores.state(before).whole
    with pytest.raises(PortError, match="forbidden"):
        restores.workloads.kill(time.monotonic() + SOON_S)

    for name, port in mine.items():
        rules = live.call("GET", paths[name])["rules"]
        for number, rule in enumerate(rules):
            for verb in rule["verbs"]:
                if (name, verb) in BY_ANOTHER_ROLE:
                    continue
                left = [one for one in rule["verbs"] if one != verb]
                fewer = [*rules[:number], rule | {"verbs": left}, *rules[number + 1 :]]
                live.call("PATCH", paths[name], {"rules": [one for one in fewer if one["verbs"]]})
                said = f"no right to {verb} {rule['resources'][0]}"
                await_true(
                    lambda port=port, said=said: any(
                        line.startswith(said) for line in port.rehearse_revert()
                    ),
                    f"{name}: {said}",
                    SOON_S,
                )
        live.call("PATCH", paths[name], {"rules": rules})
        await_true(lambda port=port: port.rehearse_revert() == (), name, SOON_S)


BY_ANOTHER_ROLE = {
    # Of deployments and their scales, which muster-recover may read, and two may patch deployments.
    ("muster-recover-cluster", "get"), ("muster-recover-cluster", "patch"),
    ("muster-recover-restart", "get"), ("muster-recover-restart", "patch"),
    ("muster-recover-partition", "get"),
}  # fmt: skip


def base_of(found: dict[str, Any]) -> dict[str, Any]:
    """The keys of a cluster's access alone."""
    return {key: found[key] for key in ("namespace", "context", "kubeconfig") if key in found}


# A drill's pod is killed while the region is dark


@pytest.fixture
def world(live, home_space, tmp_path, monkeypatch):
    """A region of real workloads, steered by a stand-in, with the accounts of the manifests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    region = live.namespace()
    region.workload("gateway", 3)
    region.workload("redis", 1, "StatefulSet")
    with dark_world(live, home_space, region, tmp_path) as made:
        yield made


def environment(world, account: str, machine: str) -> dict[str, str]:
    """Of a process in a pod of its own."""
    return {
        **os.environ,
        "POD_KUBECONFIG": kubeconfig_as(world.home, account, world.folder),
        "MUSTER_STATE_DIR": str(world.folder / machine / "state"),
        "MUSTER_OUT_DIR": str(world.folder / machine / "out"),
        "PYTHONUNBUFFERED": "1",
    }


CHAOS = [str(Path(sys.executable).with_name("chaos")), "--no-log-file", "drill"]


@pytest.fixture
def standby(world):
    """Stands by in a pod of its own; its log."""
    log = world.folder / "standby.log"
    with log.open("w") as out:
        child = subprocess.Popen(
            [*CHAOS, "standby", "--target", world.file],
            env=environment(world, "standby", "two"),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        await_true(lambda: "standing by" in log.read_text(), "the standby", SOON_S)
        yield log
        child.terminate()
        assert child.wait(timeout=60) == 0


@pytest.fixture
def dark(world):
    """The drill's pod, with the region dark; `kill` ends its process and its watchdog."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pod_drill.py")), world.file],
        env=environment(world, "drill", "one"),
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = int(child.stdout.readline())

    def kill() -> None:
        """All at once, as a container ends."""
        for pid in (watchdog, child.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.wait(timeout=60)

    yield SimpleNamespace(kill=kill)
    kill()
    child.stdout.close()


def test_a_region_whose_drills_pod_is_killed_is_back_within_a_minute(world, standby, dark):
    """All processes at once, the watchdog's too; nobody does anything, and all is as before.

    While the drill lives, whoever stands by leaves it alone.
    """
    seen: set[str] = set()

    def renewed() -> bool:
        seen.add(world.keys()["lock/staging"])
        return len(seen) > RENEWALS

    await_true(renewed, f"{RENEWALS} renewals of the lock", 120)
    assert world.dark()
    killed_s = time.monotonic()
    dark.kill()
    await_true(world.back, f"the region\n{standby.read_text()}", BACK_S_MAX)
    print(f"back {time.monotonic() - killed_s:.1f} s after the pod was killed")
    await_true(lambda: f"{DRILL}: ABORTED" in standby.read_text(), "the end of recovery", SOON_S)
    # The drill's own volume: its evidence is judged there, and nothing is changed again.
    done = subprocess.run(
        [*CHAOS, "recover", "--target", world.file],
        env=environment(world, "standby", "one") | {"MUSTER_STATE_DIR": str(world.folder / "3")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{DRILL}: ABORTED" in done.stdout, done.stdout + done.stderr
    verdict = json.loads((world.folder / "one" / "out" / DRILL / "verdict.json").read_text())
    assert verdict["verdict"] == "ABORTED"
    assert world.back()
    assert sorted(world.keys()) == ["lock/staging", "standby/staging"]
