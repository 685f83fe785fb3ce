"""A real API server for tests: one a session, a namespace for each test.

Its node is kwok's, whose pods have no processes, or a real one (`started(…, real=True)`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from dataplane_fixtures import free_port
from floor_fixtures import await_true

from muster import home
from muster.testbed.kubernetes import kwok
from muster.testbed.kubernetes.control_plane import CONTEXT, ControlPlane, Ports, programs_in
from muster.testbed.kubernetes.node.design import NodePorts, node
from muster.testbed.kubernetes.node.design import programs_in as node_programs
from muster.testbed.kubernetes.running import Running

SOON_S = 60.0
PODS = "/api/v1/namespaces/{}/pods"
APPS = "/apis/apps/v1/namespaces/{}/{}"


class Live:
    """A running control plane, as an administrator sees it."""

    def __init__(
        self,
        plane: ControlPlane,
        running: Running,
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.plane = plane
        self.running = running
        self.run = run
        trusted = ssl.create_default_context(cafile=plane.ca)
        access = json.loads(plane.kubeconfig.read_text())
        user = access["users"][0]["user"]
        trusted.load_cert_chain(user["client-certificate"], user["client-key"])
        self.http = httpx.Client(base_url=plane.url, verify=trusted, timeout=30, trust_env=False)

    @property
    def kubeconfig(self) -> str:
        """The administrator's."""
        return str(self.plane.kubeconfig)

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call; a test fails with what the API server said."""
        kind = "merge-patch+json" if method == "PATCH" else "json"
        headers = {"Content-Type": f"application/{kind}"}
        answer = self.http.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def namespace(self) -> Namespace:
        """A new one, in which pods can be created."""
        name = f"t-{uuid.uuid4().hex[:8]}"
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        await_true(lambda: self.http.get(account).is_success, "the default account", SOON_S)
        return Namespace(self, name)

    @contextmanager
    def api_stopped(self) -> Iterator[Callable[[], None]]:
        """The API server takes connections and answers none, until the yielded call or the end."""
        pid = self.running.child("kube-apiserver").pid
        assert pid is not None

        def go_on() -> None:
            os.kill(pid, signal.SIGCONT)

        os.kill(pid, signal.SIGSTOP)
        try:
            yield go_on
        finally:
            go_on()

    @contextmanager
    def api_gone(self) -> Iterator[None]:
        """The API server is killed; at the end another one takes its place."""
        child = self.running.child("kube-apiserver")
        try:
            self.run(child.kill())
            yield
        finally:
            self.run(self.running.again("kube-apiserver"))


class Namespace:
    """One namespace, and what a test puts there."""

    def __init__(self, live: Live, name: str) -> None:
        self.live = live
        self.name = name

    def workload(
        self,
        name: str,
        replicas: int,
        kind: str = "Deployment",
        *,
        labels: dict[str, str] | None = None,
        selector: dict[str, Any] | None = None,
        grace_s: int = 0,
        notes: dict[str, str] | None = None,
        finalizers: list[str] | None = None,
        spec: dict[str, Any] | None = None,
        strategy: str = "RollingUpdate",
    ) -> None:
        """Create a workload, and wait until its pods are ready (but those that never are).

        `spec`: more of its pods' specification, or other containers.
        """
        labels = labels or {"app": name}
        meta: dict[str, Any] = {"labels": labels, "annotations": notes or {}}
        template = {
            "metadata": meta | ({"finalizers": finalizers} if finalizers else {}),
            "spec": {
                "terminationGracePeriodSeconds": grace_s,
                "containers": [{"name": "c", "image": "none.invalid/none"}],
                **(spec or {}),
            },
        }
        whole = {
            "replicas": replicas,
            "selector": selector or {"matchLabels": labels},
            "template": template,
        }
        if kind == "StatefulSet":
            whole |= {"serviceName": name, "podManagementPolicy": "Parallel"}
        else:
            whole["strategy"] = {"type": strategy}
        body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}
        self.live.call("POST", self.path(kind), body)
        if kwok.NEVER_READY not in (notes or {}):
            self.await_available(name, replicas, kind)

    def path(self, kind: str = "Deployment", name: str = "") -> str:
        """Where workloads of a kind are, or the one called `name`."""
        base = APPS.format(self.name, f"{kind.lower()}s")
        return f"{base}/{name}" if name else base

    def get(self, name: str, kind: str = "Deployment") -> dict[str, Any]:
        """The workload as it is now."""
        return self.live.call("GET", self.path(kind, name))

    def asked(self, name: str, kind: str = "Deployment") -> int:
        """Its replicas that are asked for."""
        return int(self.get(name, kind)["spec"]["replicas"])

    def scale(self, name: str, replicas: int, kind: str = "Deployment") -> None:
        """Somebody else scales it."""
        path = f"{self.path(kind, name)}/scale"
        self.live.call("PATCH", path, {"spec": {"replicas": replicas}})

    def await_available(self, name: str, replicas: int, kind: str = "Deployment") -> None:
        """Wait until so many are available, in the current generation."""

        def there() -> bool:
            found = self.get(name, kind)
            status = found["status"]
            seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            return seen and status.get("availableReplicas", 0) == replicas

        await_true(there, f"{replicas} of {name}", SOON_S)

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """All pods with these labels."""
        chosen = ",".join(f"{key}={value}" for key, value in labels.items())
        path = PODS.format(self.name)
        found = self.live.http.get(path, params={"labelSelector": chosen}).json()
        items: list[dict[str, Any]] = found["items"]
        return items

    def quota(self, pods: int) -> str:
        """A quota of pods, in force; its path."""
        base = f"/api/v1/namespaces/{self.name}/resourcequotas"
        body = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": str(pods)}}}
        self.live.call("POST", base, body)
        path = f"{base}/pods"
        await_true(
            lambda: "pods" in self.live.call("GET", path).get("status", {}).get("used", {}),
            "the quota",
            SOON_S,
        )
        return path

    def kubeconfig_of(
        self,
        folder: Path,
        rules: list[dict[str, Any]],
        everywhere: list[dict[str, Any]] | None = None,
    ) -> str:
        """A kubeconfig of a service account that may do what `rules` say in this namespace, and
        `everywhere` in the whole cluster.
        """
        core = f"/api/v1/namespaces/{self.name}/serviceaccounts"
        rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.name}"
        named = {"metadata": {"name": "drill"}}
        if not self.live.http.get(f"{core}/drill").is_success:
            self.live.call("POST", core, named)
        if self.live.http.get(f"{rights}/roles/drill").is_success:
            self.live.call("PATCH", f"{rights}/roles/drill", {"rules": rules})
        else:
            self.live.call("POST", f"{rights}/roles", {**named, "rules": rules})
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "drill"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "drill"},
            "subjects": [{"kind": "ServiceAccount", "name": "drill", "namespace": self.name}],
        }
        if not self.live.http.get(f"{rights}/rolebindings/drill").is_success:
            self.live.call("POST", f"{rights}/rolebindings", binding)
        if everywhere is not None:
            self._bind_everywhere(binding["subjects"], everywhere)
        asked = {"spec": {"expirationSeconds": 3600}}
        token = self.live.call("POST", f"{core}/drill/token", asked)["status"]["token"]
        access = json.loads(Path(self.live.kubeconfig).read_text())
        access["users"][0]["user"] = {"token": token}
        path = folder / f"{self.name}.kubeconfig"
        path.write_text(json.dumps(access))
        return str(path)

    def _bind_everywhere(self, subjects: Any, rules: list[dict[str, Any]]) -> None:
        base = "/apis/rbac.authorization.k8s.io/v1"
        named = {"metadata": {"name": self.name}}
        if self.live.http.get(f"{base}/clusterroles/{self.name}").is_success:
            self.live.call("PATCH", f"{base}/clusterroles/{self.name}", {"rules": rules})
            return
        self.live.call("POST", f"{base}/clusterroles", {**named, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.name}
        bound = {**named, "roleRef": role, "subjects": subjects}
        self.live.call("POST", f"{base}/clusterrolebindings", bound)


def access(space: Namespace, **more: Any) -> dict[str, Any]:
    """The `power` section for a namespace of the control plane, as the administrator."""
    section = {
        "kind": "kubernetes",
        "namespace": space.name,
        "context": CONTEXT,
        "timeout_s": SOON_S,
    }
    return section | {"kubeconfig": space.live.kubeconfig} | more


def processes(name: str) -> list[int]:
    """The processes of this machine with `name` as an argument, whatever namespace they are in."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if name in (folder / "cmdline").read_text().split("\0"):
                found.append(int(folder.name))
    return found


@contextmanager
def started(place: Path, *, real: bool = False) -> Iterator[Live]:
    """A control plane below `place` with a node, ended with all its processes.

    `real`: its node has a kubelet, whose pods have processes; else kwok plays it.
    """
    plane = ControlPlane(
        place,
        Ports(free_port(), free_port(), free_port()),
        programs_in(home.tools_dir()),
        datetime.now(UTC),
        played=not real,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result()

    more = []
    if real:
        ports = NodePorts(free_port(), free_port())
        more = [[node(place / "node", plane, ports, node_programs(home.tools_dir()))]]
    running = Running(plane, place / "logs", more)
    try:
        run(running.start())
        live = Live(plane, running, run)
        if not real:
            live.call("POST", "/api/v1/nodes", kwok.node())
        yield live
        assert running.deaths == []
    finally:
        run(running.end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
