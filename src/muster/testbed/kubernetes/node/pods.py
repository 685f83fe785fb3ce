"""What pods on a node need to run this machine's programs: their images are nearly empty."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import muster
from muster.testbed.kubernetes.node.images import HOST

CODE = Path(muster.__file__).parent.parent
ENVIRONMENT = {
    "PYTHONPATH": str(CODE),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def spec(
    *containers: Mapping[str, Any], read: Sequence[Path] = (), written: Sequence[Path] = ()
) -> dict[str, Any]:
    """A pod's spec. `containers`: each with at least its `name` and `command`.

    All have the machine's network and, by the same paths as on the machine, /usr, this interpreter,
    Muster's code and the folders or files `read`, all of which they cannot write to, and those
    `written`. Without `terminationGracePeriodSeconds` the pod has Kubernetes' own grace of 30 s.
    """
    kept = [(path, True) for path in _without_inner({*_own(), *read})]
    kept += [(path, False) for path in written]
    names = {path: f"host-{number}" for number, (path, _) in enumerate(kept)}
    mounts = [
        {"name": names[path], "mountPath": str(path), "readOnly": read_only}
        for path, read_only in kept
    ]
    return {
        "hostNetwork": True,
        # The node's own: there is no DNS of a cluster.
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "volumes": [
            {"name": name, "hostPath": {"path": str(path)}} for path, name in names.items()
        ],
        "containers": [_container(one, mounts) for one in containers],
    }


def _container(said: Mapping[str, Any], mounts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    given = [{"name": key, "value": value} for key, value in ENVIRONMENT.items()]
    return {
        "image": HOST,
        "imagePullPolicy": "Never",
        **said,
        "volumeMounts": [*mounts, *said.get("volumeMounts", [])],
        # Of two with one name the later counts.
        "env": [*given, *said.get("env", [])],
    }


def _own() -> set[Path]:
    return {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), CODE}


def _without_inner(paths: set[Path]) -> list[Path]:
    """None within another of them."""
    kept: list[Path] = []
    for path in sorted(paths):
        if not any(path.is_relative_to(one) for one in kept):
            kept.append(path)
    return kept
