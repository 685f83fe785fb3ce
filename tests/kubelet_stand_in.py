"""A stand-in for the kubelet of kwok's node: runs the pods that a Job created, as processes.

API server, Job controller, scheduler and garbage collector are real. kwok leaves pods with its
annotation `never-ready` alone, so that this is the only kubelet they have: it starts each as a
process, patches its status as a kubelet does, answers the API server's calls for logs, and ends it.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
from kubernetes_world import PODS, Namespace
from pod_processes import PodProcess

from muster.testbed.kubernetes.kwok import NEVER_READY, NODE

TURN_S = 0.2


class KubeletStandIn:
    """Of one namespace. `annotations`: what its pods must carry."""

    annotations: ClassVar = {NEVER_READY: "true"}

    def __init__(self, space: Namespace, folder: Path) -> None:
        self.space, self.folder = space, folder
        self.running: dict[str, PodProcess] = {}
        self.over = threading.Event()
        self.broken: list[str] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def processes(self) -> list[PodProcess]:
        """Of all pods that have not been deleted, by index."""
        return sorted(self.running.values(), key=lambda one: one.index)

    def secret(self, name: str) -> dict[str, str]:
        """A Secret's values, in base64."""
        path = f"/api/v1/namespaces/{self.space.name}/secrets/{name}"
        found: dict[str, str] = self.space.live.call("GET", path)["data"]
        return found

    def _run(self) -> None:
        while not self.over.wait(TURN_S):
            try:
                self._turn()
            except httpx.HTTPError:
                continue
            except Exception as error:
                self.broken.append(f"{type(error).__name__}: {error}")

    def _turn(self) -> None:
        found = self.space.live.http.get(PODS.format(self.space.name)).json()["items"]
        for pod in found:
            uid, meta = pod["metadata"]["uid"], pod["metadata"]
            if NEVER_READY not in meta.get("annotations", {}):
                continue
            if meta.get("deletionTimestamp"):
                self._end(pod)
            elif uid not in self.running and pod["spec"].get("nodeName"):
                self.running[uid] = self._started(pod)
            elif uid in self.running:
                self._show(pod)
        gone = set(self.running) - {pod["metadata"]["uid"] for pod in found}
        for uid in gone:
            self.running.pop(uid).stop(1.0)

    def _started(self, pod: dict[str, Any]) -> PodProcess:
        live, account = self.space.live, pod["spec"]["serviceAccountName"]
        path = f"/api/v1/namespaces/{self.space.name}/serviceaccounts/{account}/token"
        asked = {"spec": {"expirationSeconds": 3600}}
        token = live.call("POST", path, asked)["status"]["token"]
        files = {"token": token, "ca.crt": Path(live.plane.ca).read_text()}
        api = urlsplit(live.plane.url)
        index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        return PodProcess(
            pod, f"127.0.2.{int(index) + 1}", self.folder / pod["metadata"]["name"], self.secret,
            files, (str(api.hostname), int(api.port or 443)),
        )  # fmt: skip

    def _show(self, pod: dict[str, Any]) -> None:
        status = self.running[pod["metadata"]["uid"]].status()
        shown = pod["status"]
        before = (shown.get("phase"), _ready(shown))
        if before != (status["phase"], _ready(status)):
            self._patch(pod, status)

    def _end(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        process = self.running.pop(meta["uid"], None)
        if process is not None:
            process.stop(float(meta.get("deletionGracePeriodSeconds", 0)))
            self._patch(pod, process.status())
        path = f"{PODS.format(self.space.name)}/{meta['name']}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        self.space.live.http.request("DELETE", path, json=body)

    def _patch(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        path = f"{PODS.format(self.space.name)}/{pod['metadata']['name']}/status"
        headers = {"Content-Type": "application/merge-patch+json"}
        self.space.live.http.request("PATCH", path, json={"status": status}, headers=headers)

    def log(self, pod: str) -> PodProcess | None:
        """The process of the pod with that name."""
        for one in list(self.running.values()):
            if one.pod["metadata"]["name"] == pod:
                return one
        return None


def _ready(status: dict[str, Any]) -> bool:
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ())
    )


def _handler(kubelet: KubeletStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            process = kubelet.log(parts.path.split("/")[3])
            if process is None or not parts.path.startswith("/containerLogs/"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for line in process.log(query.get("sinceTime", ""), "follow" in query):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler


@contextmanager
def kubelet_stand_in(space: Namespace, folder: Path) -> Iterator[KubeletStandIn]:
    """It runs until the end of the block, and every pod's process with it."""
    kubelet = KubeletStandIn(space, folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kubelet))
    server.daemon_threads = True
    # An API server may know its kubelets by the CA: the pair of any server here will do.
    pair = space.live.plane._api
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    # Where the API server asks for logs.
    where = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}},
    }
    space.live.call("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": where})
    kubelet.thread.start()
    try:
        yield kubelet
    finally:
        kubelet.over.set()
        kubelet.thread.join(30)
        for process in kubelet.processes():
            if process.process.poll() is None:
                process.kill()
        server.shutdown()
        server.server_close()
        serving.join(10)
        assert kubelet.broken == []
