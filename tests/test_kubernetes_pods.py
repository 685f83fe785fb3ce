"""Real pods of a real kubelet: what Muster says of them, beside what their processes do."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from floor_fixtures import (
    REGION,
    ToxiproxyServer,
    a_target,
    await_true,
    free_port,
    redis_server,
    toxiproxy_binary,
)
from kubernetes_world import Live, Namespace, access, processes, started

from muster import home
from muster.faults.redis_outage import RedisOutage
from muster.platform import platform_of
from muster.platform.cluster.kubernetes import ClusterByKubernetes
from muster.platform.kubernetes import cluster as calls
from muster.platform.looks import Look
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.cluster import KubernetesCluster
from muster.targets.power import KubernetesPower
from muster.testbed.kubernetes.node.design import lacking
from muster.testbed.kubernetes.node.pods import spec

pytestmark = pytest.mark.kubernetes
GATEWAY = "deployment/gateway"
SERVER = Path(__file__).with_name("streaming_pod.py")
REFUSES = Look("refused", "refuses connections")
GRACE_S = 15
DRAIN_S = 8.0
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A control plane with a real node."""
    if why := lacking(home.tools_dir()):
        pytest.skip(f"no real pods: {why}")
    with started(tmp_path_factory.mktemp("pods"), real=True) as running:
        yield running


@pytest.fixture
def space(cluster: Live, monkeypatch) -> Iterator[Namespace]:
    """A namespace whose pods are gone afterwards."""
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    made = cluster.namespace()
    yield made
    cluster.call("DELETE", f"/api/v1/namespaces/{made.name}")
    for pod in made.pods():
        path = f"/api/v1/namespaces/{made.name}/pods/{pod['metadata']['name']}"
        cluster.http.request("DELETE", path, json={"gracePeriodSeconds": 0})
    await_true(lambda: not processes(made.name), "the end of its processes", 60)


class Stream:
    """An open stream to a pod: when its last byte came, and whether it ended whole."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.sendall(b"GET /stream HTTP/1.1\r\nHost: pod\r\n\r\n")
        self.last_s = 0.0
        self.bytes = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        await_true(lambda: b"tick" in self.bytes, "the stream's first line")

    @property
    def open(self) -> bool:
        return self._reader.is_alive()

    @property
    def whole(self) -> bool:
        return self.bytes.endswith(b"end\n")

    def await_end(self) -> None:
        self._reader.join(timeout=60)
        assert not self.open, "the stream goes on"

    def _read(self) -> None:
        with suppress(OSError), self._socket:
            while data := self._socket.recv(4096):
                self.last_s = time.time()
                self.bytes += data


def gateway(space: Namespace, replicas: int = 1, *, drain_s: float = DRAIN_S, **limits: int) -> int:
    """A workload `gateway` in the namespace, ready; its port."""
    port = free_port()
    space.workload(
        "gateway", replicas, spec=served(space, port, drain_s, **limits), grace_s=GRACE_S
    )
    return port


def served(space: Namespace, port: int, drain_s: float, **limits: int) -> dict:
    one = {
        "name": "gateway",
        "command": [sys.executable, str(SERVER), str(port), str(drain_s), space.name],
        "readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1},
        "resources": {"limits": {name: str(limit) for name, limit in limits.items()}},
    }
    return spec(one, read=[SERVER])


def power(space: Namespace) -> PowerByKubernetes:
    section = access(space, workloads=[GATEWAY])
    return PowerByKubernetes("eu", KubernetesPower.model_validate(section))


def dark(one: PowerByKubernetes):
    return one.dark(lambda: REFUSES, 200, lambda: True)


def watched(one: PowerByKubernetes, name: str, change) -> list[SimpleNamespace]:
    """What `dark` proved again and again during `change`, and the processes right after it."""
    looks = []
    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    while changing.is_alive():
        proof = dark(one)
        looks.append(SimpleNamespace(proven=proof.proven, left=processes(name), t=time.time()))
    changing.join()
    return looks


def test_a_stop_drains_and_dark_means_no_process(space):
    """A pod that drains has left its workload's status, and still serves: it is not dark."""
    stream = Stream(gateway(space))
    one = power(space)
    before = one.before()
    serving = []

    def stop() -> None:
        one.stop()

    watching = threading.Event()

    def ask() -> None:
        while not watching.wait(0.2):
            counted = space.get("gateway")["status"].get("replicas", 0)
            serving.append(counted == 0 and stream.open)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    looks = watched(one, space.name, stop)
    watching.set()
    asking.join()
    assert any(serving), "no look fell into the drain"
    assert not [look for look in looks if look.proven and look.left]
    assert dark(one).proven
    assert not processes(space.name)
    stream.await_end()
    assert stream.whole
    one.start(before)
    assert one.state(before).whole
    assert processes(space.name)


def test_a_loss_cuts_streams(space):
    """No drain: the streams of all pods are cut, long before the pods' own grace is over.

    What was put in their place may have begun to run: it has its own grace, and until its end the
    region is not dark.
    """
    port = gateway(space, 2)
    streams = [Stream(port) for _ in range(4)]
    one = power(space)
    before = one.before()
    looks = watched(one, space.name, one.kill)
    for stream in streams:
        stream.await_end()
        assert not stream.whole
    cut_s = max(stream.last_s for stream in streams) - one.cut_at_s
    print(f"the last stream was cut {cut_s:.1f} s after the first deletion; grace {GRACE_S} s")
    assert cut_s < GRACE_S
    assert not [look for look in looks if look.proven and look.left]
    assert dark(one).proven
    assert not processes(space.name)
    one.start(before)
    assert one.state(before).whole


def test_killed_pods_have_no_process_left(space):
    """Those of `pods_killed`; their streams are cut, those of the others go on."""
    port = gateway(space, 2)
    streams = [Stream(port) for _ in range(8)]
    first = set(processes(space.name))
    section = access(space, workloads=[GATEWAY])
    one = ClusterByKubernetes("eu", KubernetesCluster.model_validate(section)).killing(50, seed=1)
    before = one.before()
    one.apply(before)
    left = set(processes(space.name)) & first
    assert one.look(before).proven
    assert len(left) == 1
    # Which pod takes a connection is the kernel's choice: of eight, each has some.
    await_true(lambda: len({stream.open for stream in streams}) == 2, "cut and open streams")
    assert not any(stream.whole for stream in streams)
    one.revert(before)
    assert one.state(before).whole


def test_a_container_out_of_memory(space):
    """Its streams are cut and it starts again by itself: never dark, and whole again after it."""
    port = gateway(space, memory=64 * MIB)
    one = power(space)
    before = one.before()
    stream = Stream(port)
    (first,) = processes(space.name)
    seen = []
    with suppress(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}/eat", timeout=60)
    stream.await_end()
    assert not stream.whole

    def restarted() -> bool:
        seen.append((dark(one).proven, one.state(before).whole))
        (pod,) = space.pods()
        (status,) = pod["status"]["containerStatuses"]
        return status["restartCount"] == 1 and status["ready"]

    await_true(restarted, "its second start", 60)
    (pod,) = space.pods()
    ended = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert not [proven for proven, _ in seen if proven]
    await_true(lambda: one.state(before).whole, "that it is whole", 60)
    assert processes(space.name) != [first]


def test_an_evicted_pod_drains_and_is_replaced(space, cluster):
    """By the eviction API, as a node's drain does: never dark, whole with the replacement."""
    stream = Stream(gateway(space, drain_s=3))
    one = power(space)
    before = one.before()
    (pod,) = space.pods()
    name = pod["metadata"]["name"]
    asked = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    cluster.call("POST", f"/api/v1/namespaces/{space.name}/pods/{name}/eviction", asked)
    proven = []
    while stream.open:
        proven.append(dark(one).proven)
    assert stream.whole
    assert proven
    assert not any(proven)
    await_true(lambda: len(processes(space.name)) == 1, "that the evicted one is gone", 60)
    await_true(lambda: one.state(before).whole, "its replacement", 60)
    await_true(lambda: len(space.pods()) == 1, "the end of the evicted one", 60)
    (left,) = space.pods()
    assert left["metadata"]["name"] != name


def test_a_toxiproxy_that_hangs_in_its_pod_is_restarted(space):
    """`restart: {kind: kubernetes}` in the middle of a fault; the server's proxies come back."""
    port = free_port()
    server = {
        "name": "toxiproxy",
        "command": [toxiproxy_binary(), "-host", "127.0.0.1", "-port", str(port)],
        "readinessProbe": {"httpGet": {"path": "/version", "port": port}, "periodSeconds": 1},
    }
    space.workload(
        "toxiproxy",
        1,
        spec=spec(server, read=[Path(toxiproxy_binary())]),
        grace_s=1,
        # In one network the next one can have the port only when the last is gone.
        strategy="Recreate",
    )
    with redis_server() as redis:
        admin = ToxiproxyServer(f"http://127.0.0.1:{port}", None)
        door, other = admin.create("redis", redis), admin.create("other", redis)
        where = {key: one for key, one in access(space).items() if key != "kind"}
        restart = {"kind": "kubernetes", "deployment": "toxiproxy", **where}
        toxiproxy = {
            "url": admin.url,
            "proxies": {"redis": "redis", "provider_primary": "other"},
            "timeout_s": 0.5,
            "restart": restart,
        }
        region = {"toxiproxy": toxiproxy, "redis_url": f"redis://127.0.0.1:{door}"}
        fault = RedisOutage(platform_of(a_target(region=region)), REGION)
        before = fault._proxies[0].server()
        fault.undo_params()
        fault.apply()
        (first,) = processes(str(port))
        os.kill(first, signal.SIGSTOP)
        fault.revert()
        assert fault.read_back().ok
        after = fault._proxies[0].server()
        assert sorted(map(str, after)) == sorted(map(str, before))
        assert processes(str(port)) not in ([], [first])
        assert {one["name"] for one in after} == {"redis", "other"}
        assert other
    (pod,) = space.pods()
    assert not pod["metadata"].get("deletionTimestamp")


def test_with_a_containers_first_process_all_in_it_ends(space, cluster):
    """Also what is in a session of its own: so a drill's watchdog needs a container of its own."""
    hidden = f"hidden-{space.name}"
    sleeping = f"exec {sys.executable} -c 'import time; time.sleep(600)' "
    drill = {
        "name": "drill",
        "command": ["/bin/sh", "-c", f'setsid sh -c "{sleeping}{hidden}" & sleep 600'],
    }
    watchdog = {"name": "watchdog", "command": ["/bin/sh", "-c", f"{sleeping}{space.name}"]}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "drill"},
        "spec": spec(drill, watchdog)
        | {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1},
    }
    cluster.call("POST", f"/api/v1/namespaces/{space.name}/pods", body)
    await_true(lambda: processes(hidden) and processes(space.name), "both containers", 60)
    (child,) = processes(hidden)
    (other,) = processes(space.name)
    (first,) = _parents(child)
    os.kill(first, signal.SIGKILL)
    await_true(lambda: not processes(hidden), "the end of the drill's child", 60)
    assert processes(space.name) == [other]

    def states() -> dict:
        (pod,) = space.pods()
        return {one["name"]: set(one["state"]) for one in pod["status"]["containerStatuses"]}

    await_true(lambda: states()["drill"] == {"terminated"}, "the end of the drill", 60)
    assert states()["watchdog"] == {"running"}


def _parents(pid: int) -> list[int]:
    """The parent of a process; in a container, mostly its first process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return [int(stat.rpartition(")")[2].split()[1])]
