"""The tests' testbed with its regions' parts as pods, and what of it runs on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from drill_runner import ROOT, TARGET, Drill

from muster.testbed.kubernetes.node.cgroups import STEM, hierarchies

SHIPPED = ROOT / "targets" / "testbed_kubernetes.yaml"
REGION = "eu-west-1"
NAME = "test_kubernetes"


def pods_target(folder: Path) -> str:
    """The file of it, written into `folder`."""
    plain = yaml.safe_load(TARGET.read_text())
    pods = yaml.safe_load(SHIPPED.read_text())
    for region, section in plain["regions"].items():
        theirs = pods["regions"][region]
        section.pop("redis_process", None)
        section["power"] = theirs["power"]
        section["toxiproxy"]["restart"] = theirs["toxiproxy"]["restart"]
    plain["blast_radius"]["namespaces"] = pods["blast_radius"]["namespaces"]
    own = {"run_as": "pods", "gateways_per_region": 2, "ready_s_max": 90}
    plain["testbed"] |= own
    plain["name"] = NAME
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(plain))
    return str(path)


def nodes() -> set[str]:
    """The cgroups of nodes on this machine, others' too."""
    return {path.name for top in hierarchies() for path in top.glob(f"{STEM}*")}


def ended_nodes() -> set[str]:
    """Those whose node is no longer there."""
    return {one for one in nodes() if not Path("/proc", one.rpartition("-")[2]).exists()}


def mentioning(word: str) -> list[int]:
    """The processes that have `word` in their command line, whoever started them."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if word.encode() in read_bytes(path)
    ]


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def state(one: Drill, name: str = NAME) -> dict[str, Any]:
    """The running testbed's state.json."""
    path = one.work / "state" / f"testbed-{name}" / "state.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found
