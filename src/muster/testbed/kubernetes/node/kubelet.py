"""The kubelet's configuration, and its command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from muster.testbed.kubernetes.certificates import LOCAL, Pair
from muster.testbed.kubernetes.node.containerd import SOCKET

HOME = "/var/lib/kubelet"
"""Where a kubelet keeps its state; within the node, a folder of the node's place."""
NAME = LOCAL
"""The node's name: a node's address may be a loopback one only by its name, not stated."""
_RESOURCES = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")


@dataclass(frozen=True)
class Kubelet:
    """What a kubelet is told. `served`: its certificate, which `ca` signed."""

    place: Path
    port: int
    health_port: int
    ca: Path
    served: Pair


def config(one: Kubelet) -> str:
    """The KubeletConfiguration, as JSON; its `cgroupRoot` is set by the process that makes it."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": LOCAL,
            "port": one.port,
            "healthzBindAddress": LOCAL,
            "healthzPort": one.health_port,
            "readOnlyPort": 0,
            "tlsCertFile": str(one.served.certificate),
            "tlsPrivateKeyFile": str(one.served.key),
            # Only this control plane's administrator and API server have certificates of its CA.
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(one.ca)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": ["none"],
            # The fullness of this machine's disk is none of the node's business.
            "evictionHard": {name: "0%" for name in _RESOURCES},
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            # Pods look up no names of the world outside.
            "resolvConf": str(one.place / "resolv.conf"),
            "podLogsDir": str(one.place / "logs" / "pods"),
            "volumePluginDir": f"{HOME}/volume-plugins",
            "protectKernelDefaults": True,
        }
    )


def command(program: Path, config_path: Path, kubeconfig: Path) -> Sequence[str]:
    """How it is started."""
    return (
        str(program),
        f"--config={config_path}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NAME}",
        f"--root-dir={HOME}",
    )
