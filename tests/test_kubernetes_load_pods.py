"""A load in real pods of a real kubelet: 2 and 4 of them are one process of the same seed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conformance.load_place import CHECKS, SECONDS, arrivals
from floor_fixtures import await_true
from kubernetes_world import Live, started
from load_worlds import DRILL, endpoint
from test_kubernetes_load import SOON_S, OnCluster

from muster import home
from muster.platform.kubernetes.load_job import LoadJob
from muster.testbed.kubernetes.node.design import lacking
from muster.testbed.kubernetes.node.pods import spec

pytestmark = pytest.mark.kubernetes
PORT = 19464


def processes(namespace: str) -> dict[int, int]:
    """The pids of the parts in that namespace, by index."""
    found = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            words = (folder / "environ").read_bytes().decode("utf-8", "replace").split("\0")
            variables = dict(word.partition("=")[::2] for word in words)
            # The one that runs the container's command, and none that a probe runs there.
            runs = b"--part" in (folder / "cmdline").read_bytes()
            if runs and variables.get("MUSTER_LOAD_NAMESPACE") == namespace:
                found[int(variables["JOB_COMPLETION_INDEX"])] = int(folder.name)
    return found


class InPods(OnCluster):
    """Its parts are the processes of real pods."""

    @property
    def alive(self) -> int:
        return len(processes(self.space.name))

    def kill(self, part: int) -> None:
        os.kill(processes(self.space.name)[part], signal.SIGKILL)


def section_of(live: Live) -> dict:
    """What this machine's pods need besides: they have the machine's network and folders."""
    made = spec({"name": "load", "command": ["python"]})
    (container,) = made.pop("containers")
    api = urlsplit(live.plane.url)
    more = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "MUSTER_HOME": str(home.root()),
        # There is no network of a cluster, so not the address of its Service.
        "KUBERNETES_SERVICE_HOST": str(api.hostname),
        "KUBERNETES_SERVICE_PORT": str(api.port),
    }
    env = [*container["env"], *({"name": key, "value": text} for key, text in more.items())]
    return {
        "image": container["image"],
        "metrics_port": PORT,
        "pod": made,
        "container": {
            "imagePullPolicy": container["imagePullPolicy"],
            "volumeMounts": container["volumeMounts"],
            "env": env,
            "resources": {"requests": {"cpu": "1m"}},
        },
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A control plane with a real node."""
    if why := lacking(home.tools_dir()):
        pytest.skip(f"no real pods: {why}")
    with started(tmp_path_factory.mktemp("pods"), real=True) as running:
        yield running


@pytest.fixture(scope="module")
def served():
    """One endpoint for all."""
    with endpoint() as one:
        yield one


@pytest.fixture
def made(cluster: Live, served, tmp_path):
    """Makes a world with so many parts; nothing of it is left."""
    served.requests = 0
    space = cluster.namespace()
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    worlds = []

    def make(parts=2):
        changes = section_of(cluster)
        worlds.append(InPods(served, bundle, space, None, tmp_path, parts, **changes))
        return worlds[-1]

    yield make
    for world in worlds:
        for place in world.places:
            place.stop()
        if world.intended:
            LoadJob(world.access, world.access.job).delete(DRILL)
    await_true(lambda: not processes(space.name), "the end of its processes", SOON_S)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_place_keeps_to_its_port_in_real_pods(check, made):
    """With what a kubelet makes of the Job: environment, probes, logs, ends."""
    check(made())


@pytest.mark.parametrize("parts", [2, 4])
def test_real_pods_are_one_process(parts, made):
    """Scheduled, offered, started and answered: as of one process of the same seed."""
    world = made(parts)
    place = world.begun(SECONDS)
    expected = arrivals(SECONDS)
    await_true(lambda: world.recorded("offered") >= expected, "all arrivals", SOON_S)
    place.stop()
    assert world.recorded("scheduled") == world.recorded("offered") == expected
    assert world.requests == expected
    print(f"{parts} real pods: {expected} scheduled, offered and requested, as one process")
