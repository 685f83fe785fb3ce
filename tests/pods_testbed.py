"""The tests' own testbed with its regions as pods: its target, what it left, and its API server."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from drill_runner import ROOT, TARGET, Drill
from floor_fixtures import await_true

from muster.testbed.kubernetes.node.cgroups import STEM, hierarchies
from muster.testbed.kubernetes.regions.access import DRILL, OPERATIONS
from muster.testbed.kubernetes.regions.here import lacking

SHIPPED = ROOT / "targets" / "testbed_kubernetes.yaml"
NAME = "test_kubernetes"
REGION, OTHER = "eu-west-1", "eu-central-1"
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
        if word.encode() in read(path)
    ]


def exists(pid: int) -> bool:
    """Whether there is a process with that number; a zombie is none."""
    stat = read(Path(f"/proc/{pid}/stat"))
    return bool(stat) and stat.rpartition(b")")[2].split()[0] != b"Z"


def read(path: Path) -> bytes:
    """What a file holds; nothing if it is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


class ApiServer:
    """The testbed's API server, as an administrator sees it."""

    def __init__(self, one: Drill) -> None:
        place = Path(one.environment()["MUSTER_STATE_DIR"]) / f"testbed-{NAME}" / "kubernetes"
        access = json.loads((place / "admin.kubeconfig").read_text())
        cluster, user = access["clusters"][0]["cluster"], access["users"][0]["user"]
        trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
        trusted.load_cert_chain(user["client-certificate"], user["client-key"])
        self._http = httpx.Client(
            base_url=cluster["server"], verify=trusted, timeout=30, trust_env=False
        )

    def get(self, path: str) -> dict[str, Any]:
        """What is there; a test fails with what the API server said."""
        return self._answer(self._http.get(path))

    def post(self, path: str, body: Any) -> dict[str, Any]:
        """Create something."""
        return self._answer(self._http.post(path, json=body))

    def let_drain(self) -> None:
        """Give the drill's account the role `muster-nodes` in the whole cluster."""
        found = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "role.yaml").read_text())
        (role,) = [one for one in found if one["metadata"]["name"] == "muster-nodes"]
        subject = {"kind": "ServiceAccount", "name": DRILL, "namespace": OPERATIONS}
        reference = {"kind": "ClusterRole", "name": "muster-nodes"}
        rights = "/apis/rbac.authorization.k8s.io/v1"
        self.post(f"{rights}/clusterroles", role)
        self.post(
            f"{rights}/clusterrolebindings",
            {
                "metadata": {"name": "muster-nodes"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", **reference},
                "subjects": [subject],
            },
        )

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def deployment(self, name: str, region: str = REGION) -> dict[str, Any]:
        """A deployment of a region."""
        return self.get(f"/apis/apps/v1/namespaces/{region}/deployments/{name}")

    def pods(self) -> dict[str, str]:
        """Every pod of both regions, NAMESPACE/NAME: its uid."""
        found = [
            one["metadata"]
            for region in (REGION, OTHER)
            for one in self.get(f"/api/v1/namespaces/{region}/pods")["items"]
        ]
        return {f"{one['namespace']}/{one['name']}": one["uid"] for one in found}

    def all_ready(self) -> bool:
        """Whether every workload of both regions is as it was asked for, and has no pod to spare.

        A pod that is about to end counts as one to spare.
        """
        found = [
            one
            for region in (REGION, OTHER)
            for kind in ("deployments", "statefulsets")
            for one in self.get(f"/apis/apps/v1/namespaces/{region}/{kind}")["items"]
        ]
        whole = [
            one["spec"]["replicas"] == one["status"].get("availableReplicas", 0)
            and one["status"].get("observedGeneration") == one["metadata"]["generation"]
            for one in found
        ]
        asked = sum(one["spec"]["replicas"] for one in found)
        return bool(whole) and all(whole) and len(self.pods()) == asked

    @staticmethod
    def _answer(answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found
