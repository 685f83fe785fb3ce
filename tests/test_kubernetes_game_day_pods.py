"""A game day's pods under a real kubelet: one that drills dies in mid-dark, another restores.

The CronJob's job and the Deployment that stands by are those of the manifests, probe included. Only
image, user and volumes are this machine's.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from floor_fixtures import await_true
from game_day_cluster import (
    BACK_S_MAX,
    create,
    dark_world,
    here,
    job_of_game_day,
    logs,
    stand_by,
    told,
)
from kubernetes_world import PODS, Live, Namespace, processes, started
from test_pipelines import NEW, fake

from muster import home
from muster.platform.kubernetes import cluster as calls
from muster.testbed.kubernetes.node.design import lacking
from muster.testbed.kubernetes.node.pods import spec

pytestmark = pytest.mark.kubernetes
ROOT = Path(__file__).resolve().parent.parent
DRILL = Path(__file__).with_name("pod_drill.py")
CHAOS = [sys.executable, "-m", "chaostoolkit", "--no-log-file", "drill"]
READ = ("tests", "contract", "targets", "reports/templates")
SLOW_S = 120.0
"""Several interpreters start at once."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A control plane with a real node."""
    if why := lacking(home.tools_dir()):
        pytest.skip(f"no real pods: {why}")
    with started(tmp_path_factory.mktemp("pods"), real=True) as running:
        yield running


@pytest.fixture
def spaces(cluster: Live, monkeypatch) -> Iterator[tuple[Namespace, Namespace]]:
    """Muster's namespace and a region's, whose pods are gone afterwards."""
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    made = cluster.namespace(), cluster.namespace()
    yield made
    for one in made:
        cluster.call("DELETE", f"/api/v1/namespaces/{one.name}")
    for one in made:
        for pod in one.pods():
            path = f"{PODS.format(one.name)}/{pod['metadata']['name']}"
            cluster.http.request("DELETE", path, json={"gracePeriodSeconds": 0})
        await_true(lambda space=one: not processes(space.name), "the end of its processes", SLOW_S)


def sleeping(space: Namespace, name: str, replicas: int, kind: str) -> None:
    """A workload of a region whose pods do nothing."""
    container = {"name": "c", "command": ["/usr/bin/sleep", "100000"]}
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": spec(container)}
    pod["spec"]["terminationGracePeriodSeconds"] = 1
    whole: dict[str, Any] = {"replicas": replicas, "selector": {"matchLabels": labels}}
    whole["template"] = pod
    if kind == "StatefulSet":
        whole["serviceName"] = name
    body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}
    space.live.call("POST", space.path(kind), body)


@pytest.fixture
def world(cluster, spaces, tmp_path):
    """The region, who stands by, and the rights of both."""
    muster, region = spaces
    sleeping(region, "gateway", 3, "Deployment")
    sleeping(region, "redis", 1, "StatefulSet")
    with dark_world(cluster, muster, region, tmp_path) as made:
        await_true(made.back, "the region", SLOW_S)
        stand_by(made, READ, SLOW_S)
        yield made


def begun(world: SimpleNamespace) -> SimpleNamespace:
    """The game day's job, with the region dark: its pod's path, its first process and watchdog."""
    job = job_of_game_day(world.home.name)
    here(world, job["spec"]["template"], "drill", [sys.executable, str(DRILL), world.file], READ)
    create(world.region.live, job, world.home.name)
    await_true(world.dark, "the dark", SLOW_S)
    (pod,) = world.home.pods(**{"app.kubernetes.io/component": "game-day"})
    (first,) = [pid for pid in processes(world.file) if str(DRILL) in command_of(pid)]
    (watchdog,) = [pid for pid in every_process() if parent_of(pid) == first]
    path = f"{PODS.format(world.home.name)}/{pod['metadata']['name']}"
    return SimpleNamespace(path=path, first=first, watchdog=watchdog)


def every_process() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def parent_of(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


STANDBY = {"app.kubernetes.io/component": "standby"}


@pytest.mark.parametrize("how", ["the pod is deleted", "its first process is killed"])
def test_a_region_whose_drills_pod_dies_is_back_within_a_minute(world, how):
    """With either all processes of the pod end, the watchdog too; one of two restores."""
    drill = begun(world)
    killed_s = time.monotonic()
    if how == "the pod is deleted":
        world.region.live.call("DELETE", drill.path, {"gracePeriodSeconds": 0})
    else:
        os.kill(drill.first, signal.SIGKILL)
    await_true(
        lambda: not {drill.first, drill.watchdog} & set(every_process()), "the end of both", SLOW_S
    )
    gone_s = time.monotonic()
    told(world, world.back, "the region", BACK_S_MAX)
    print(f"{how}: processes gone after {gone_s - killed_s:.1f} s, ", end="")
    print(f"region back {time.monotonic() - killed_s:.1f} s after")
    kept = ["lock/staging", "standby/staging"]
    await_true(lambda: sorted(world.keys()) == kept, "no change left", SLOW_S)
    assert logs(world, **STANDBY).count("restored: region") == 1
    job = f"/apis/batch/v1/namespaces/{world.home.name}/jobs/game-day"

    def failed() -> bool:
        met = world.region.live.call("GET", job)["status"].get("conditions", ())
        return any((one["type"], one["status"]) == ("Failed", "True") for one in met)

    await_true(failed, "the end of the job", SLOW_S)


def test_a_containers_first_process_hands_sigterm_on(spaces, tmp_path):
    """Without a handler it would not even get it: the drill ends by itself, and is restored."""
    ended = f"{NEW}; touch told; exit 4"
    wait = f"trap '{ended}' TERM; touch begun; while :; do sleep 0.05; done"
    place = fake(tmp_path, f'case "$*" in *" run "*) {wait};; esac')
    command = [str(place / "deploy/game_day"), "pod"]
    pod = {
        "metadata": {"name": "drill"},
        "spec": spec({"name": "it", "command": command}, written=[place]),
    }
    pod["spec"] |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": 120}
    home, _ = spaces
    path = PODS.format(home.name)
    home.live.call("POST", path, pod)
    await_true((place / "begun").exists, "the drill", SLOW_S)
    home.live.call("DELETE", f"{path}/drill")
    await_true(lambda: not home.pods(), "the end of the pod", SLOW_S)
    assert (place / "told").exists()
    assert "drill recover" in (place / "said").read_text().splitlines()[-1]
