"""A stand-in for a kubelet's containers: the one container of a pod, as a process of this machine.

It gets the environment, the files and the arguments that the pod's spec says. It has no image (the
tests' own Python stands for it), no namespaces and no limits; its address is one of the loopback.
A path of a volume becomes a folder of the test, in arguments and in the environment alike.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
FIELD = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")

CLOCK = """\
import time

_now = time.time
time.time = lambda: _now() + {ahead_s}
"""


class PodProcess:
    """The container of `pod`, started; its output with the time of each line."""

    def __init__(
        self,
        pod: dict[str, Any],
        address: str,
        folder: Path,
        secret: Callable[[str], dict[str, str]],
        account: dict[str, str],
        api: tuple[str, int],
        ahead_s: float = 0.0,
    ) -> None:
        """`secret`: the base64 values of a Secret; `account`: the files of the service account;
        `ahead_s`: how far the clock of its node is ahead of this machine's.
        """
        self.pod, self.address = pod, address
        self.index = int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"])
        (self.spec,) = pod["spec"]["containers"]
        self.mounts = {ACCOUNT: folder / "account"}
        for one in self.spec.get("volumeMounts", ()):
            self.mounts.setdefault(one["mountPath"], folder / one["name"])
        for path in self.mounts.values():
            path.mkdir(parents=True, exist_ok=True)
        for name, text in account.items():
            (self.mounts[ACCOUNT] / name).write_text(text)
        environment = {
            "KUBERNETES_SERVICE_HOST": api[0],
            "KUBERNETES_SERVICE_PORT": str(api[1]),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder / 'clock'}{os.pathsep}{ROOT / 'src'}",
            "MUSTER_HOME": str(ROOT),
        }
        (folder / "clock").mkdir()
        (folder / "clock" / "sitecustomize.py").write_text(CLOCK.format(ahead_s=ahead_s))
        for one in self.spec.get("env", ()):
            environment[one["name"]] = self.inside(self._value(one, secret))
        python, *words = map(self.inside, self.spec["command"])
        assert python == "python"
        self.lines: list[tuple[str, bytes]] = []
        self.grown = threading.Condition()
        self.closed = False
        self.process = subprocess.Popen(
            [sys.executable, *words],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def inside(self, text: str) -> str:
        """A text of the spec as the process reads it."""
        for path, folder in self.mounts.items():
            if text == path or text.startswith(f"{path}/"):
                return f"{folder}{text[len(path) :]}"
        return text

    def _value(self, one: dict[str, Any], secret: Callable[[str], dict[str, str]]) -> str:
        if "value" in one:
            return str(one["value"])
        where = one["valueFrom"]
        if "secretKeyRef" in where:
            name, key = where["secretKeyRef"]["name"], where["secretKeyRef"]["key"]
            return base64.b64decode(secret(name)[key]).decode()
        path, meta = where["fieldRef"]["fieldPath"], self.pod["metadata"]
        if found := FIELD.fullmatch(path):
            return str(meta[found[1]][found[2]])
        return {"metadata.namespace": meta["namespace"], "status.podIP": self.address}[path]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.grown:
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                self.lines.append((now, line))
                self.grown.notify_all()
        with self.grown:
            self.closed = True
            self.grown.notify_all()

    def log(self, since: str, follow: bool) -> Iterator[bytes]:
        """Its output from `since` on; with `follow` until it ends."""
        shown = 0
        while True:
            with self.grown:
                while shown == len(self.lines) and follow and not self.closed:
                    self.grown.wait(5.0)
                new, shown, over = self.lines[shown:], len(self.lines), self.closed
            yield from (line for at, line in new if at >= since)
            if over or not follow:
                return

    def is_ready(self) -> bool:
        """Its startup probe."""
        probe = [self.inside(word) for word in self.spec["startupProbe"]["exec"]["command"]]
        return subprocess.run(probe, check=False).returncode == 0

    def stop(self, grace_s: float) -> None:
        """As a kubelet ends a container."""
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5.0)

    def kill(self) -> None:
        """SIGKILL, as the kernel does out of memory; also if it is stopped."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def status(self) -> dict[str, Any]:
        """What a kubelet says of it now."""
        code = self.process.poll()
        name = {"name": self.spec["name"], "image": self.spec["image"], "imageID": ""}
        about = {**name, "restartCount": 0, "started": code is None}
        if code is None:
            ready = self.is_ready()
            state: dict[str, Any] = {"running": {"startedAt": _now()}}
            phase = "Running"
        else:
            ready = False
            ended = {"exitCode": code if code >= 0 else 128 - code, "finishedAt": _now()}
            ended["reason"] = "Completed" if code == 0 else "Error"
            state, phase = {"terminated": ended}, "Succeeded" if code == 0 else "Failed"
        shown = "True" if ready else "False"
        return {
            "phase": phase,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [
                {"type": kind, "status": shown} for kind in ("ContainersReady", "Ready")
            ],
            "containerStatuses": [{**about, "ready": ready, "state": state}],
        }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
