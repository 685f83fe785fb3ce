"""The objects of a region: its namespace, the account of its pods, and a workload for each part.

Pure. Every part has the machine's network, so no two pods of one part can be there at once:
deployments are replaced by `Recreate`, and each gateway is a deployment of its own. A gateway lets
clients in once its readiness probe has found it ready.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from muster.testbed.design.binaries import Binary
from muster.testbed.design.parts import ProcessSpec
from muster.testbed.gateway.front import PROBED
from muster.testbed.kubernetes.node import pods

ACCOUNT = "parts"
"""The service account of a region's pods. It has no rights, and no pod gets its token."""
CPU_SHARE: Mapping[str, float] = {"gateway": 0.12, "toxiproxy": 0.08, "redis": 0.04}
"""Of the machine's cores, as requests: with none the kernel lets a pod wait for everybody else."""


@dataclass(frozen=True)
class Place:
    """Where a part's workload is. `plural`: of its kind, in the API group apps."""

    namespace: str
    kind: str
    plural: str
    name: str

    @property
    def path(self) -> str:
        """Of all workloads of that kind."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.plural}"

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        return {"app": self.name}


def place_of(spec: ProcessSpec) -> Place:
    """The workload of a region's part: `deployment/gateway-0`, `statefulset/redis` and so on."""
    region = spec.region or ""
    if spec.kind == "redis":
        return Place(region, "StatefulSet", "statefulsets", "redis")
    if spec.kind == "toxiproxy":
        return Place(region, "Deployment", "deployments", "toxiproxy")
    number = (spec.config or {})["index"]
    return Place(region, "Deployment", "deployments", f"{spec.kind}-{number}")


def workload(
    spec: ProcessSpec, directory: Path, binaries: Mapping[str, Binary], cores: int
) -> dict[str, Any]:
    """The workload of a part, with one replica."""
    place = place_of(spec)
    programs = {
        path for binary in binaries.values() for path in (binary.path, binary.path.resolve())
    }
    used = [path for path in sorted(programs) if str(path) == spec.argv[0]]
    pod = pods.spec(
        {
            "name": spec.kind,
            "command": list(spec.argv),
            "env": [{"name": key, "value": value} for key, value in spec.environment.items()],
            "readinessProbe": _probe(spec),
            "resources": {"requests": {"cpu": _cpu(spec, cores)}},
        },
        read=[directory / "config", *used],
        written=[directory / f"redis-{spec.region}"] if spec.kind == "redis" else [],
    )
    pod |= {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": math.ceil(spec.grace_s),
    }
    whole: dict[str, Any] = {
        "replicas": 1,
        "selector": {"matchLabels": place.labels},
        "template": {"metadata": {"labels": place.labels}, "spec": pod},
    }
    if place.kind == "StatefulSet":
        whole |= {"serviceName": place.name, "podManagementPolicy": "Parallel"}
    else:
        whole |= {"strategy": {"type": "Recreate"}}
    return {
        "apiVersion": "apps/v1",
        "kind": place.kind,
        "metadata": {"name": place.name, "labels": place.labels},
        "spec": whole,
    }


def _probe(spec: ProcessSpec) -> dict[str, Any]:
    """A pod is ready when its part is: what the testbed waits for, the kubelet asks for."""
    often = {"periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3}
    if not isinstance(spec.ready, str):
        host, port = spec.ready
        return {"tcpSocket": {"host": host, "port": port}, **often}
    url = urlsplit(spec.ready)
    path = f"{url.path}?{PROBED}" if spec.kind == "gateway" else url.path
    return {"httpGet": {"host": url.hostname, "port": url.port, "path": path}, **often}


def _cpu(spec: ProcessSpec, cores: int) -> str:
    return f"{math.floor(1000 * cores * CPU_SHARE[spec.kind])}m"
