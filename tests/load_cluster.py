"""A stand-in for a cluster in which a load runs: API server, Job controller and kubelet in one.

It knows as much of each as a load in pods needs, and answers as Kubernetes does: creations that
exist already, watches, logs that grow, dry runs, rights. Every pod is a process of this machine.
`make test-kubernetes` asks the real API server and the real Job controller the same.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pod_processes import PodProcess

from muster.testbed.kubernetes.certificates import Authority

NAMESPACE = "load"
TOKEN = "account-token"
INDEX = "batch.kubernetes.io/job-completion-index"
RULES = {
    ("create", "jobs"), ("get", "jobs"), ("delete", "jobs"), ("create", "configmaps"),
    ("patch", "configmaps"), ("list", "pods"), ("get", "pods/log"),
}  # fmt: skip


class LoadCluster:
    """One namespace of it. `secrets`: their values by name and key, in base64; `ahead_s`: how far
    the clock of a part's node is ahead, by the part's index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets: dict[str, dict[str, str]] = {}
        self.ahead_s: dict[int, float] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.config_maps: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, tuple[dict[str, Any], PodProcess]] = {}
        self.rights = set(RULES)
        self.calls: list[tuple[str, str]] = []
        self.watches: list[queue.SimpleQueue[dict[str, Any] | None]] = []
        self.lock = threading.RLock()
        self.going_on = threading.Event()
        self.going_on.set()
        self.authority = Authority(folder / "pki", datetime.now(UTC))
        self.port = 0

    @property
    def kubeconfig(self) -> str:
        """Of the drill."""
        path = self.folder / "kubeconfig"
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.authority.file),
        }
        context = {"cluster": "it", "user": "it"}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": "drill"}}],
            "contexts": [{"name": "it", "context": context}],
        }  # fmt: skip
        path.write_text(json.dumps(config))
        return str(path)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """No call is answered, until the end."""
        self.going_on.clear()
        try:
            yield
        finally:
            self.going_on.set()

    def processes(self) -> list[PodProcess]:
        """Of all pods, by index."""
        with self.lock:
            found = [process for _, process in self.pods.values()]
        return sorted(found, key=lambda one: one.index)

    def end(self) -> None:
        """Nothing of it goes on."""
        self.going_on.set()
        for process in self.processes():
            if process.process.poll() is None:
                process.kill()
        with self.lock:
            for watch in self.watches:
                watch.put(None)

    # What is asked

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """One call that is answered at once."""
        self.calls.append((method, path))
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            sub = asked.get("subresource")
            resource = f"{asked['resource']}/{sub}" if sub else asked["resource"]
            allowed = (asked["verb"], resource) in self.rights
            return 201, {"status": {"allowed": allowed}}
        _, _, rest = path.partition("/namespaces/")
        _, kind, *name = rest.split("/")
        with self.lock:
            if kind == "pods":
                return 200, {"items": [self._shown(name) for name in sorted(self.pods)]}
            objects = self.jobs if kind == "jobs" else self.config_maps
            if method == "POST":
                return self._create(kind, objects, body, dry="dryRun" in query)
            if name[0] not in objects:
                return 404, {"message": f"{kind} {name[0]!r} not found"}
            uid = (body or {}).get("metadata", {}).get("uid")
            if uid not in (None, objects[name[0]]["metadata"]["uid"]):
                # As the real one: no change may give an object another uid.
                return 409, {"message": "the uid in the precondition is another one"}
            if method == "PATCH":
                objects[name[0]]["data"] |= body["data"]
                self._tell("MODIFIED", objects[name[0]])
            if method == "DELETE":
                self._delete(name[0])
                return 200, {"kind": "Status"}
            return 200, objects[name[0]]

    def _create(
        self, kind: str, objects: dict[str, dict[str, Any]], body: Any, dry: bool
    ) -> tuple[int, Any]:
        name = body["metadata"]["name"]
        if name in objects:
            return 409, {"message": f'{kind} "{name}" already exists'}
        if dry:
            return 201, body
        body["metadata"]["uid"] = str(uuid.uuid4())
        objects[name] = body
        if kind == "jobs":
            for index in range(body["spec"]["completions"]):
                self._run(body, index)
        else:
            self._tell("ADDED", body)
        return 201, body

    def _run(self, job: dict[str, Any], index: int) -> None:
        name = f"{job['metadata']['name']}-{index}-{uuid.uuid4().hex[:5]}"
        template = json.loads(json.dumps(job["spec"]["template"]))
        meta = template["metadata"]
        meta |= {"name": name, "namespace": NAMESPACE, "uid": str(uuid.uuid4())}
        meta.setdefault("annotations", {})[INDEX] = str(index)
        container = template["spec"]["containers"][0]
        container["env"] = [
            *container["env"],
            {"name": "JOB_COMPLETION_INDEX",
             "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}},
        ]  # fmt: skip
        template["spec"]["nodeName"] = f"node-{index}"
        account = {"token": TOKEN, "ca.crt": self.authority.file.read_text()}
        self.pods[name] = template, PodProcess(
            template, f"127.0.1.{index + 1}", self.folder / name, self.secrets.__getitem__,
            account, ("127.0.0.1", self.port), self.ahead_s.get(index, 0.0),
        )  # fmt: skip

    def _shown(self, name: str) -> dict[str, Any]:
        pod, process = self.pods[name]
        return {**pod, "status": process.status()}

    def _delete(self, name: str) -> None:
        """In the background, as the controllers do: pods first, then the Job."""
        job = self.jobs[name]
        if "deletionTimestamp" in job["metadata"]:
            return
        job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

        def end() -> None:
            for process in self.processes():
                process.stop(10.0)
            with self.lock:
                self.pods.clear()
                gone = self.config_maps.pop(name, None)
                if gone is not None:
                    self._tell("DELETED", gone)
                del self.jobs[name]

        threading.Thread(target=end, daemon=True).start()

    # Watches and logs

    def _tell(self, kind: str, found: dict[str, Any]) -> None:
        for watch in self.watches:
            watch.put({"type": kind, "object": json.loads(json.dumps(found))})

    def events(self, name: str) -> Iterator[bytes]:
        """What a part watches."""
        events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with self.lock:
            if name in self.config_maps:
                events.put({"type": "ADDED", "object": self.config_maps[name]})
            self.watches.append(events)
        while (event := events.get()) is not None:
            yield json.dumps(event).encode() + b"\n"


def _handler(cluster: LoadCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            cluster.going_on.wait()
            if query.get("watch"):
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    self._whole(403, {"message": "forbidden"})
                    return
                self._chunks(cluster.events(query["fieldSelector"].partition("=")[2]))
            elif parts.path.endswith("/log"):
                _, process = cluster.pods[parts.path.split("/")[-2]]
                self._chunks(process.log(query.get("sinceTime", ""), "follow" in query))
            else:
                self._whole(*cluster.answer(self.command, parts.path, query, body))

        do_GET = do_POST = do_PATCH = do_DELETE = _any

        def _whole(self, status: int, found: Any) -> None:
            raw = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _chunks(self, lines: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for line in lines:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler


@contextmanager
def load_cluster(folder: Path) -> Iterator[LoadCluster]:
    """It listens on a free port, and ends with every pod."""
    cluster = LoadCluster(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cluster))
    server.daemon_threads = True
    pair = cluster.authority.pair("kube-apiserver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    cluster.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        cluster.end()
        server.shutdown()
        server.server_close()
        thread.join(10)
