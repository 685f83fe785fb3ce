"""A region's part that runs as a pod, where the testbed else has a child process.

Kubernetes starts and ends it: it is created once, what a drill changes goes through the API server,
and its end is the node's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muster.testbed.design.parts import ProcessSpec
from muster.testbed.kubernetes.regions.api import Api
from muster.testbed.kubernetes.regions.workloads import place_of
from muster.testbed.rig.processes import Child, StartError, write_private

LOOK_S = 0.1
_PROC = Path("/proc")
_TAIL_BYTES = 2_000


class Pod(Child):
    """The one pod of a workload. `pod_logs`: the folder in which the node keeps those of pods."""

    def __init__(self, spec: ProcessSpec, pod_logs: Path) -> None:
        super().__init__(spec, pod_logs, lambda child, pid, exit_code: None)
        self.place = place_of(spec)
        self._pod_logs = pod_logs
        self._api: Api | None = None
        self._body: Mapping[str, Any] = {}
        self._start_s_max = 0.0
        self._seen: int | None = None

    def on(self, api: Api, body: Mapping[str, Any], start_s_max: float) -> None:
        """Where it is created, as what, and how long it may take until it has a process."""
        self._api, self._body, self._start_s_max = api, body, start_s_max

    @property
    def pid(self) -> int | None:
        """Of its process, as the machine counts; None while there is none."""
        if self._seen is None or not _runs(self._seen, self.spec.argv):
            # A pod that is ending and the one in its place may both be there for a moment.
            self._seen = next(iter(processes(self.spec.argv)), None)
        return self._seen

    async def start(self) -> None:
        """Create its workload, and return when its process is there. Raises StartError."""
        assert self._api is not None
        spec = self.spec
        if spec.config is not None and spec.config_path is not None:
            write_private(spec.config_path, json.dumps(spec.config))
        await self._api.post(self.place.path, self._body)
        await self._until("has no process", self._has_process)

    async def available(self) -> None:
        """Return when Kubernetes counts it as available. Raises StartError."""
        await self._until("not available", self._is_available)

    async def end(self) -> None:
        """Nothing: it ends with the node."""

    async def kill(self) -> None:
        """Nothing: it ends with the node."""

    def log_tail(self) -> str:
        """The last lines of its newest container, joined into one."""
        found = sorted(
            self._pod_logs.glob(f"{self.place.namespace}_{self.place.name}-*/{self.spec.kind}/*"),
            key=lambda path: path.stat().st_mtime,
        )
        if not found:
            return ""
        lines = found[-1].read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").splitlines()
        return " | ".join(line.strip() for line in lines[-3:])

    async def _has_process(self) -> bool:
        return self.pid is not None

    async def _is_available(self) -> bool:
        assert self._api is not None
        found = await self._api.get(f"{self.place.path}/{self.place.name}")
        status = found.get("status", {})
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        return bool(seen and status.get("availableReplicas", 0) >= 1)

    async def _until(self, lacks: str, holds: Any) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._start_s_max
        while not await holds():
            if loop.time() > end_s:
                why = await self._why()
                raise StartError(f"{self.spec.name}: {lacks} after {self._start_s_max:g} s: {why}")
            await asyncio.sleep(LOOK_S)

    async def _why(self) -> str:
        """What Kubernetes says about its pods, and the end of its log."""
        assert self._api is not None
        chosen = ",".join(f"{key}={value}" for key, value in self.place.labels.items())
        path = f"/api/v1/namespaces/{self.place.namespace}/pods"
        pods = (await self._api.get(path, {"labelSelector": chosen})).get("items", [])
        said = [_state(pod) for pod in pods] or ["no pod was created"]
        return "; ".join(said) + f"; log: {self.log_tail()}"


def processes(argv: tuple[str, ...]) -> list[int]:
    """The processes of the machine with exactly that command line, oldest first."""
    found = [int(one.name) for one in _PROC.glob("[0-9]*") if _runs(int(one.name), argv)]
    return sorted(found)


def _runs(pid: int, argv: tuple[str, ...]) -> bool:
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return raw.split(b"\0")[:-1] == [word.encode() for word in argv]


def _state(pod: Mapping[str, Any]) -> str:
    """Of a pod, in a few words: why it waits or ended, or its phase."""
    status = pod.get("status", {})
    for one in status.get("containerStatuses", []):
        for state in (one.get("state", {}), one.get("lastState", {})):
            for which in ("waiting", "terminated"):
                if which in state:
                    told = state[which]
                    return f"{which}: {told.get('reason', '')} {told.get('message', '')}".strip()
    for condition in status.get("conditions", []):
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return str(status.get("phase", "unknown"))
