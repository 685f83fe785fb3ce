"""The tests' testbed with its regions' parts as pods, and what of it runs on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from drill_runner import ROOT, TARGET, Drill
from floor_fixtures import await_true

from muster.testbed.kubernetes.node.cgroups import STEM, hierarchies
from muster.testbed.kubernetes.regions.here import lacking

SHIPPED = ROOT / "targets" / "testbed_kubernetes.yaml"
REGION, OTHER = "eu-west-1", "eu-central-1"
NAME = "test_kubernetes"
LOAD = ("--profile", "test_short", "--scale", "1")
UP_S_MAX = 300.0
POLICY_S_MAX = 5.0
"""A policy that nobody enforces never shows."""


def need_real_pods() -> None:
    """Skip the test where there is no kubelet, no container runtime or no root."""
    if why := lacking():
        pytest.skip(f"no real pods: {why}")


def pods_target(folder: Path, *, node: str | None = None, policies: bool = False) -> str:
    """The tests' target as pods, with the cluster's sections of the shipped one.

    `node`: the one that a drill drains. `policies`: a NetworkPolicy is to cut a region off.
    """
    plain = yaml.safe_load(TARGET.read_text())
    pods = yaml.safe_load(SHIPPED.read_text())
    for region, section in plain["regions"].items():
        theirs = pods["regions"][region]
        section.pop("redis_process", None)
        section["power"] = theirs["power"]
        section["cluster"] = {**theirs["cluster"], "node": node}
        section["toxiproxy"]["restart"] = theirs["toxiproxy"]["restart"]
        if policies:
            access = {key: theirs["cluster"][key] for key in ("kubeconfig", "context", "namespace")}
            own = {"workloads": theirs["cluster"]["workloads"], "timeout_s": POLICY_S_MAX}
            section["partition"] = {"kind": "network_policy", **access, **own}
    plain["blast_radius"]["namespaces"] = pods["blast_radius"]["namespaces"]
    plain["blast_radius"]["nodes"] = [] if node is None else [node]
    plain["testbed"] |= {"run_as": "pods", "gateways_per_region": 2, "ready_s_max": 90}
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
    place = Path(one.environment()["MUSTER_STATE_DIR"])
    found: dict[str, Any] = json.loads((place / f"testbed-{name}" / "state.json").read_text())
    return found


def is_back(one: Drill) -> bool:
    """Whether the region was started again and read back from the real system."""
    looks = one.events("verify")
    done = [e for e in one.events("undo") if e["state"] == "done" and REGION in e["subject"]]
    return bool(looks) and looks[-1]["verified"] is True and bool(done)


@contextmanager
def nothing_is_left(folder: Path) -> Iterator[None]:
    """No process and no cgroup of the node of a testbed in `folder`, whatever the block did."""
    before = ended_nodes()
    yield
    await_true(lambda: not mentioning(str(folder)), "the end of its processes", 60)
    await_true(lambda: ended_nodes() <= before, "the end of its node's cgroups", 60)
