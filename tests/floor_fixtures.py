"""Real small peers on free ports, and stand-ins (named so) for what one machine cannot have.

Each is a context manager that ends what it started, by its own process or thread.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import httpx
import yaml
from dataplane_fixtures import free_port

from muster import home
from muster.targets.model import Target

READY_S_MAX = 30.0
NO_LEASE = SimpleNamespace(doubt=lambda: "", outlived=False)
"""A lock of this machine alone: no other machine can have taken it."""


def await_true(holds: Callable[[], bool], what: str, seconds_max: float = READY_S_MAX) -> None:
    """Wait until `holds()`; fails the test when it does not come."""
    end = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < end, f"{what} did not come in {seconds_max:g} s"
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether something accepts connections on `port`."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def process(arguments: list[str], ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, ready when `ready()`; ended by its own id, also when it was stopped."""
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_true(lambda: child.poll() is None and ready(), arguments[0])
        yield child
    finally:
        end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child that may be stopped or gone already."""
    if child.poll() is None:
        os.kill(child.pid, signal.SIGCONT)
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(timeout=10)


@contextmanager
def stopped(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """The child hangs (SIGSTOP) inside the block, and goes on after it."""
    os.kill(child.pid, signal.SIGSTOP)
    # The signal is only sent: wait until every thread of the child has stopped.
    os.waitpid(child.pid, os.WUNTRACED)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[int]:
    """A real redis-server without persistence; its port."""
    port = free_port()
    arguments = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with process(arguments, lambda: listens(port)):
        yield port


def toxiproxy_binary() -> str:
    """The Toxiproxy server that set-up built, else the one on PATH."""
    built = home.tools_dir() / "bin" / "toxiproxy-server"
    return str(built) if built.is_file() else shutil.which("toxiproxy-server") or "toxiproxy-server"


@dataclass(frozen=True)
class ToxiproxyServer:
    """A running Toxiproxy."""

    url: str
    child: subprocess.Popen[bytes]

    def create(self, name: str, upstream_port: int) -> int:
        """A proxy in front of `upstream_port`; the port it listens on."""
        listen = free_port()
        body = {
            "name": name,
            "listen": f"127.0.0.1:{listen}",
            "upstream": f"127.0.0.1:{upstream_port}",
            "enabled": True,
        }
        httpx.post(f"{self.url}/proxies", json=body, trust_env=False).raise_for_status()
        return listen


@contextmanager
def toxiproxy_server() -> Iterator[ToxiproxyServer]:
    """A real Toxiproxy server."""
    port = free_port()
    arguments = [toxiproxy_binary(), "-host", "127.0.0.1", "-port", str(port)]
    with process(arguments, lambda: listens(port)) as child:
        yield ToxiproxyServer(f"http://127.0.0.1:{port}", child)


@contextmanager
def moto_server() -> Iterator[str]:
    """The Route 53 API as moto serves it; its URL."""
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    with process([str(program), "-H", "127.0.0.1", "-p", str(port)], lambda: listens(port)):
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class PrometheusServer:
    """A running Prometheus."""

    url: str
    child: subprocess.Popen[bytes]


@contextmanager
def prometheus_server(
    folder: Path, scraped_port: int = 0, **jobs: list[str]
) -> Iterator[PrometheusServer]:
    """A real Prometheus that scrapes `scraped_port`, or `jobs`' addresses, five times a second."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": addresses}]}
            for job, addresses in (jobs or {"it": [f"127.0.0.1:{scraped_port}"]}).items()
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{port}"
    arguments = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    with process(arguments, ready) as child:
        yield PrometheusServer(url, child)


@dataclass(frozen=True)
class Call:
    """One request that a stand-in got."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Call], tuple[int, Any]]


@dataclass
class StandInServer:
    """A stand-in HTTP server: what `answer` says, and every call kept. `behind_s`: its clock."""

    answer: Answer
    port: int = 0
    behind_s: float = 0.0
    calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self, method: str) -> list[str]:
        """The paths called with `method`, in order."""
        return [call.path for call in self.calls if call.method == method]


@contextmanager
def stand_in(answer: Answer, host: str = "127.0.0.1", port: int = 0) -> Iterator[StandInServer]:
    """A stand-in server; `answer` gives status, body (bytes, text, or anything for JSON) and, if it
    likes, headers."""
    shown = StandInServer(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            call = Call(self.command, self.path, self.rfile.read(length), dict(self.headers))
            shown.calls.append(call)
            status, body, *more = shown.answer(call)
            raw = (
                body
                if isinstance(body, bytes)
                else (body.encode() if isinstance(body, str) else json.dumps(body).encode())
            )
            kind = "application/json" if not isinstance(body, bytes | str) else "text/plain"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            for name, text in (more[0] if more else {}).items():
                self.send_header(name, text)
            self.end_headers()
            try:
                self.wfile.write(raw)
            except OSError:
                self.close_connection = True  # the caller's time-out passed

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _any

        def log_message(self, *arguments: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() - shown.behind_s)

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    shown.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@contextmanager
def closing_port(first_bytes: bytes = b"") -> Iterator[int]:
    """A port that accepts, says `first_bytes`, and closes; the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if first_bytes:
                self.request.recv(4096)
                self.request.sendall(first_bytes)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(timeout=10)


@dataclass
class KubernetesStandIn:
    """Deployments as a cluster would show them, for what a real API server cannot be made to do.

    What holds on a real one is tested there (the marker `kubernetes`). `lag` reads of a deployment
    show the state before a change, as a controller needs time. `terminating` pods are listed and no
    longer counted by their deployment. `others` are pods of another deployment that every selector
    matches. `denied` are the verbs of which the caller has no right. `uids` and `created` tell the
    workloads of two clusters apart.
    """

    replicas: dict[str, int]
    available: dict[str, int] = field(default_factory=dict)
    generation: dict[str, int] = field(default_factory=dict)
    observed: dict[str, int] = field(default_factory=dict)
    lag: int = 0
    stuck: bool = False
    ignores_scale: bool = False
    restarts: dict[str, list[str]] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    terminating: dict[str, int] = field(default_factory=dict)
    others: int = 0
    denied: tuple[str, ...] = ()
    autoscalers: dict[str, tuple[int, int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    uids: str = ""
    created: str = "2026-01-01T00:00:00Z"
    _reads_left: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.available = dict(self.replicas)
        self.generation = dict.fromkeys(self.replicas, 1)
        self.observed = dict.fromkeys(self.replicas, 1)

    def answer(self, call: Call) -> tuple[int, Any]:
        """The calls that scaling, killing and restarting need."""
        self.asked.append(call.path)
        path, _, query = call.path.partition("?")
        parts = path.strip("/").split("/")
        if path.endswith("/selfsubjectaccessreviews"):
            asked = call.json["spec"]["resourceAttributes"]
            return 201, {"status": {"allowed": asked["verb"] not in self.denied}}
        if parts[-1] == "resourcequotas":
            return 200, {"items": []}
        if parts[:3] == ["api", "v1", "namespaces"] and parts[4] == "pods":
            return self._of_pods(call, parts, unquote(query))
        if parts[:2] == ["apis", "autoscaling"]:
            return 200, self._autoscalers()
        if parts[5:6] == ["replicasets"]:
            return 200, {"metadata": _owned(parts[6], "Deployment", parts[6])}
        if parts[5:] == ["deployments", "canary"]:
            return 200, {"metadata": {"name": "canary", "uid": "canary"}}
        if parts[:4] != ["apis", "apps", "v1", "namespaces"] or parts[6] not in self.replicas:
            return 404, {"kind": "Status", "status": "Failure", "message": f"no {path}"}
        name = parts[6]
        if parts[-1] == "scale":
            if call.method == "PATCH" and "dryRun" not in query and not self.ignores_scale:
                self.replicas[name] = int(call.json["spec"]["replicas"])
                self._change(name)
            return 200, self._scale(name)
        if call.method == "PATCH":
            pods = call.json["spec"]["template"]["metadata"]["annotations"]
            self.restarts.setdefault(name, []).append(pods["kubectl.kubernetes.io/restartedAt"])
            self._change(name)
        self._settle(name)
        return 200, self._deployment(name)

    def _change(self, name: str) -> None:
        self.generation[name] += 1
        self._reads_left[name] = self.lag

    def _settle(self, name: str) -> None:
        if self._reads_left.get(name, 0) > 0:
            self._reads_left[name] -= 1
        elif not self.stuck:
            self.observed[name] = self.generation[name]
            self.available[name] = self.replicas[name]

    def _meta(self, name: str) -> dict[str, Any]:
        return {"name": name, "uid": f"{name}{self.uids}", "creationTimestamp": self.created}

    def _scale(self, name: str) -> dict[str, Any]:
        self._settle(name)
        return {
            "metadata": {**self._meta(name), "resourceVersion": str(self.generation[name])},
            "spec": {"replicas": self.replicas[name]},
            "status": {"replicas": self.available[name], "selector": f"app={name}"},
        }

    def _deployment(self, name: str) -> dict[str, Any]:
        count = self.available[name]
        return {
            "kind": "Deployment",
            "metadata": {**self._meta(name), "generation": self.generation[name]},
            "spec": {"replicas": self.replicas[name]},
            "status": {
                "observedGeneration": self.observed[name],
                "replicas": count,
                "updatedReplicas": count,
                "availableReplicas": count,
            },
        }

    def _of_pods(self, call: Call, parts: list[str], query: str) -> tuple[int, Any]:
        if call.method == "DELETE":
            # The API server reads a deletion's options from its body, and then no query.
            if not call.json.get("dryRun"):
                self.killed.append(parts[5])
            return 200, {"kind": "Status", "status": "Success"}
        name = query.partition("app=")[2].partition("&")[0]
        count = self.available.get(name, 0) + self.terminating.get(name, 0)
        pods = [_pod(f"{name}-{number}", name) for number in range(count)]
        return 200, {"items": pods + [_pod(f"canary-{n}", "canary") for n in range(self.others)]}

    def _autoscalers(self) -> dict[str, Any]:
        items = [
            {
                "metadata": {"name": name},
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": name},
                    "minReplicas": low,
                    "maxReplicas": high,
                },
            }
            for name, (low, high) in self.autoscalers.items()
        ]
        kind = "HorizontalPodAutoscalerList"
        return {"kind": kind, "apiVersion": "autoscaling/v2", "items": items}


def _owned(name: str, kind: str, owner: str) -> dict[str, Any]:
    """Metadata of an object that a controller made; an object's uid is its kind's and its name."""
    uid = owner if kind == "Deployment" else f"{kind}-{owner}"
    it = {"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid, "controller": True}
    mine = f"ReplicaSet-{name}" if kind == "Deployment" else name
    return {"name": name, "uid": mine, "ownerReferences": [it]}


def _pod(name: str, deployment: str) -> dict[str, Any]:
    return {"metadata": _owned(name, "ReplicaSet", deployment), "status": {"phase": "Running"}}


def kubeconfig(path: Path, url: str, context: str = "stand-in") -> Path:
    """A kubeconfig that points to a stand-in API."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": "testing"}}],
        "contexts": [{"name": context, "context": {"cluster": "it", "user": "it"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


REGION = "eu-west-1"
OTHER = "eu-central-1"
NOWHERE = "http://127.0.0.1:9"


@cache
def _testbed_file() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((home.root() / "targets/testbed.yaml").read_text())
    return data


def testbed_document() -> dict[str, Any]:
    """The testbed's own target file, as plain data to change."""
    return copy.deepcopy(_testbed_file())


testbed_document.__test__ = False  # type: ignore[attr-defined]


def a_target(
    *, region: dict[str, Any] | None = None, steering: dict[str, Any] | None = None
) -> Target:
    """A target whose region under test holds `region`, and nothing else that answers."""
    data = testbed_document()
    for name in data["regions"]:
        data["regions"][name] = {"ready_url": f"{NOWHERE}/readyz", "power": {"kind": "none"}}
    data["regions"][REGION] |= region or {}
    data["steering"] |= {"endpoint_url": NOWHERE} | (steering or {})
    data["public_url"] = NOWHERE
    data["prometheus"]["url"] = NOWHERE
    return Target.model_validate(data)
