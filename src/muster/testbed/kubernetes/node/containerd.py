"""containerd's configuration for a node, and the command that brings an image into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SOCKET = "/run/containerd/containerd.sock"
"""Within the node's own /run."""
SNAPSHOTTER = "native"


def config(place: Path, runtime: Path, pause: str) -> str:
    """containerd's TOML. `runtime`: the folder of runc and its shim. `pause`: an image's name."""
    return f"""\
version = 2
root = "{place}/containerd"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
disable_tcp_service = true
# Without CAP_SYS_RESOURCE nobody may lower it, and runc ends with "can't get final child's PID".
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
# The images are nearly empty; an overlay would need a file system that can be its upper one.
snapshotter = "{SNAPSHOTTER}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runtime}/runc"

[plugins."io.containerd.grpc.v1.cri".cni]
conf_dir = "{place}/cni"
bin_dir = "{place}/cni"
"""


def network() -> str:
    """A CNI configuration without plugins. Its presence makes a node ready; nothing runs it,
    because every pod is in the machine's own network."""
    return '{"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "none"}]}\n'


def import_image(runtime: Path, archive: Path) -> Sequence[str]:
    """The command that brings an image from a tar file to the kubelet's containers."""
    where = ("--address", SOCKET, "--namespace", "k8s.io")
    return (
        f"{runtime}/ctr", *where, "images", "import", "--snapshotter", SNAPSHOTTER, str(archive)
    )  # fmt: skip
