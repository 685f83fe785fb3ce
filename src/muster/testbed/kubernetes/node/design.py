"""A node as one process of the testbed, and where one can be had."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from muster.testbed.design.parts import ProcessSpec
from muster.testbed.kubernetes.certificates import LOCAL
from muster.testbed.kubernetes.control_plane import ControlPlane
from muster.testbed.kubernetes.node import containerd, images, kubelet

RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
PROGRAMS = ("kubelet", "pause")
GRACE_S = 30.0


@dataclass(frozen=True)
class NodePorts:
    """Free ports of 127.0.0.1."""

    kubelet: int
    health: int


@dataclass(frozen=True)
class NodePrograms:
    """`runtime`: the folder of containerd, its shim, ctr and runc."""

    kubelet: Path
    pause: Path
    runtime: Path


def lacking(tools: Path) -> str:
    """Why no node can be had here, in one line; empty where it can."""
    if sys.platform != "linux":
        return "a node with real pods needs Linux"
    if os.geteuid() != 0:
        return "a node with real pods needs root"
    programs = programs_in(tools)
    wanted = [programs.kubelet, programs.pause, *(programs.runtime / name for name in RUNTIME)]
    for program in wanted:
        if not os.access(program, os.X_OK):
            return f"{program} is missing: run `make setup-kubernetes`"
    return ""


def programs_in(tools: Path) -> NodePrograms:
    """Where set-up puts them."""
    folder = tools.resolve() / "kubernetes"
    return NodePrograms(folder / "bin" / "kubelet", folder / "bin" / "pause", folder / "runtime")


def node(
    place: Path,
    plane: ControlPlane,
    ports: NodePorts,
    programs: NodePrograms,
) -> ProcessSpec:
    """The node of `plane`, with all that it writes below `place`, which must not be in /run.

    Its kubelet registers it as `kubelet.NAME`; pods that nobody else takes run there.
    """
    logs = place / "logs"
    for folder in (logs / "pods", place / "kubelet", place / "cni", place / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    access = plane.user(f"system:node:{kubelet.NAME}", ["system:nodes"])
    told = kubelet.Kubelet(place, ports.kubelet, ports.health, plane.ca, access.pair)
    (place / "resolv.conf").write_text(f"nameserver {LOCAL}\n")
    (place / "cni" / "none.conflist").write_text(containerd.network())
    configured = containerd.config(place, programs.runtime, images.PAUSE)
    (place / "containerd.toml").write_text(configured)
    archives = images.write_all(place / "images", programs.pause)
    kubelet_config = place / "kubelet.json"
    inside: Mapping[str, object] = {
        "scratch": str(place / "scratch"),
        "shown": {kubelet.HOME: str(place / "kubelet")},
        "logs": str(logs),
        "socket": containerd.SOCKET,
        "environment": {
            # containerd finds its shim there.
            "PATH": f"{programs.runtime}:/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": str(place / "tmp"),
        },
        "containerd": [
            str(programs.runtime / "containerd"), "--config", str(place / "containerd.toml")
        ],
        "imports": [containerd.import_image(programs.runtime, one) for one in archives],
        "kubelet": kubelet.command(programs.kubelet, kubelet_config, access.kubeconfig),
    }  # fmt: skip
    return ProcessSpec(
        name="node",
        kind="kubernetes",
        argv=(
            sys.executable,
            "-m",
            "muster.testbed.kubernetes.node",
            "--config",
            str(place / "node.json"),
        ),
        region=None,
        ports=(ports.kubelet, ports.health),
        ready=f"http://{LOCAL}:{ports.health}/healthz",
        config={
            "kubelet_config": json.loads(kubelet.config(told)),
            "kubelet_config_path": str(kubelet_config),
            "inside": inside,
            "remove": [
                str(place / name) for name in ("containerd", "kubelet", "scratch", "tmp", "images")
            ],
        },
        config_path=place / "node.json",
        environment={"HOME": str(place)},
        grace_s=GRACE_S,
    )
