"""The first process within a node's namespaces: it starts containerd and the kubelet, and reaps.

Its one argument is JSON: `scratch` and `shown` (see namespaces.hide), `containerd`, `imports` and
`kubelet` (commands), `socket`, `environment`. Whatever of the two ends, it ends, and with it all.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from muster.testbed.kubernetes.node import namespaces

READY_S_MAX = 60.0
LOOK_S = 0.02


def main() -> int:
    """Run until containerd or the kubelet ends."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    namespaces.hide(Path(told["scratch"]), {to: Path(at) for to, at in told["shown"].items()})
    environment = {**os.environ, **told["environment"]}
    containerd = _started(told["containerd"], environment, told["logs"], "containerd")
    if not _accepts(told["socket"], containerd):
        return 1
    for command in told["imports"]:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    kubelet = _started(told["kubelet"], environment, told["logs"], "kubelet")
    names = {containerd.pid: "containerd", kubelet.pid: "kubelet"}
    while True:
        # Whatever lost its parent in here becomes a child of this process.
        pid, status = os.waitpid(-1, 0)
        if pid in names:
            code = os.waitstatus_to_exitcode(status)
            tail = _tail(Path(told["logs"], f"{names[pid]}.log"))
            print(f"node: {names[pid]} ended with {code}: {tail}", flush=True)
            return 1


def _started(
    command: Sequence[str], environment: Mapping[str, str], logs: str, name: str
) -> subprocess.Popen[bytes]:
    with open(Path(logs, f"{name}.log"), "ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )


def _accepts(path: str, server: subprocess.Popen[bytes]) -> bool:
    """Wait until something accepts connections there; false if `server` ended or time is over."""
    end = time.monotonic() + READY_S_MAX
    while server.poll() is None and time.monotonic() < end:
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(path)
            return True
        except OSError:
            time.sleep(LOOK_S)
    print(f"node: containerd does not accept connections; exit code {server.poll()}", flush=True)
    return False


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-2:])


if __name__ == "__main__":
    sys.exit(main())
