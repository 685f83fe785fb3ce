"""Whole drills whose regions are pods of a real kubelet, and whose power is the API server's.

The first is the shipped target, with its 1,000 streams. The others are the tests' testbed, as pods.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from drill_runner import ROOT, Drill, drill
from floor_fixtures import await_true
from pods_target import (
    NAME,
    REGION,
    SHIPPED,
    is_back,
    mentioning,
    need_real_pods,
    nothing_is_left,
    pods_target,
    read_bytes,
    state,
)

from muster import targets
from muster.platform.kubernetes.cluster import Cluster
from muster.platform.kubernetes.rollout import restart
from muster.platform.port import PortError
from muster.platform.restart import restart_of
from muster.targets.kubernetes import ClusterAccess
from muster.testbed.kubernetes.node.cgroups import STEM, hierarchies
from muster.testbed.rig.toxiproxies import HEADERS

pytestmark = pytest.mark.kubernetes
LOSS = ROOT / "experiments" / "region_loss.json"


@pytest.fixture(autouse=True)
def _real_pods(tmp_path: Path) -> Iterator[None]:
    """Each test has a testbed of its own, and leaves nothing of it."""
    need_real_pods()
    with nothing_is_left(tmp_path):
        yield


@pytest.fixture
def target(tmp_path: Path) -> str:
    """The tests' testbed, as pods."""
    return pods_target(tmp_path)


def weights(name: str) -> list[Path]:
    """What a node's cgroup weighs, on cgroup v1 or v2."""
    settings = ("cpu.shares", "cpu.weight")
    found = [top / name / one for top in hierarchies() for one in settings]
    return [path for path in found if path.exists()]


def no_secret(one: Drill, found: dict[str, Any]) -> None:
    """Nothing of the drill's credentials is on record; `found`: the testbed's state as it ran."""
    places = found["endpoints"]
    tokens = [places[name] for name in ("load_token", "canary_token", "control_token")]
    for path in one.bundle.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert not any(token.encode() in text for token in tokens), path
        # A service account's token is a JSON Web Token.
        assert not re.search(rb"eyJ[\w-]{20,}\.eyJ", text), path


def test_the_shipped_target_passes_with_1000_streams(tmp_path: Path) -> None:
    """As `make drill TARGET=testbed_kubernetes` runs it."""
    with drill(tmp_path, target=SHIPPED.stem, profile="m3_20k", scale="0.05") as one:
        one.start()
        one.await_phase("baseline")
        found = state(one, SHIPPED.stem)
        argv = [spec for spec in found["processes"] if spec["kind"] in ("gateway", "redis")]
        assert all(spec["pid"] for spec in argv), argv
        assert one.wait(900) == 0, one.output
        assert one.verdict["verdict"] == "PASS", one.output
        assert one.verdict["load"]["target_streams"] == 1000
        proofs = [fault for fault in one.verdict["faults"] if fault["fault"] == "region_power"]
        assert proofs
        assert all(proof["proven"] for proof in proofs)
        assert is_back(one)
        no_secret(one, found)


def test_a_lost_region_is_its_pods_killed_without_grace(tmp_path: Path, target: str) -> None:
    """Its open streams are cut, and the platform leaves it and comes back."""
    with drill(tmp_path, target=target) as one:
        one.start(LOSS)
        assert one.wait() == 0, (one.events("rig_pinned"), one.output)
        assert one.verdict["verdict"] == "PASS"
        assert all(fault["proven"] for fault in one.verdict["faults"])
        told = one.verdict["loss"]
        assert 0 < told["streams_broken"] < told["streams_open"]
        assert is_back(one)


@pytest.mark.parametrize(
    ("defect", "finding"),
    [("undersized_survivor", "rate_429"), ("survivor_needs_evacuated", "hard_failure")],
)
def test_a_planted_defect_fails(tmp_path: Path, target: str, defect: str, finding: str) -> None:
    """One in a gateway itself, and one by what it is told: each found, and all is back."""
    with drill(tmp_path, target=target, defect=defect) as one:
        one.start()
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL"
        assert finding in one.failures() | set(str(one.verdict["stopped_by"]).split(":"))
        assert is_back(one)


def test_a_drill_killed_in_the_dark_is_ended_by_its_watchdog(tmp_path: Path, target: str) -> None:
    """SIGKILL while no pod of the region is there: the watchdog scales it back, then ends all."""
    with drill(tmp_path, target=target) as one:
        one.start()
        one.await_phase("dark")
        one.await_event("fault_proof")
        gateways = [
            spec for spec in state(one)["processes"]
            if spec["kind"] == "gateway" and spec["region"] == REGION
        ]  # fmt: skip
        assert gateways
        assert not any(
            mentioning(f"{one.work}/state/testbed-{NAME}/config/{spec['name']}.")
            for spec in gateways
        )
        assert one.process is not None
        one.process.kill()
        one.process.wait()
        runs = one.work / "state" / "drills"
        await_true(lambda: not any(runs.glob("*/target")), "the end of the drill", 120)
        assert one.verdict["stopped_by"] == "lost_lease"
        assert is_back(one)


def test_up_shows_pods_and_down_leaves_nothing(tmp_path: Path, target: str) -> None:
    """For a person: `chaos drill up`, `status`, `down`; then no process and no port of it."""
    with drill(tmp_path, target=target) as one:
        asked = ("--target", target, "--profile", "test_short", "--scale", "1")
        up = one.command("up", *asked, seconds_max=300)
        assert up.returncode == 0, up.stdout + up.stderr
        found = state(one)
        shown = one.command("status", "--target", target)
        assert shown.returncode == 0, shown.stderr
        pids = [spec["pid"] for spec in found["processes"]]
        assert all(pids)
        assert re.fullmatch(r"1\.\d+\.\d+", found["versions"]["kubernetes"])
        assert re.fullmatch(r"\d+\.\d+\.\d+", found["versions"]["containerd"])
        ready = found["endpoints"]["regions"][REGION]["ready_url"]
        assert httpx.get(ready, trust_env=False).is_success
        # A pod's own PID namespace: within it the gateway is the first process.
        status = Path(f"/proc/{_pid(found, 'gateway')}/status").read_text()
        assert re.search(r"^NSpid:\t\d+\t.*\b1$", status, re.M)
        node = next(spec["pid"] for spec in found["processes"] if spec["name"] == "node")
        weighs = {path.read_text().strip() for path in weights(f"{STEM}{node}")}
        cores = os.cpu_count() or 1
        assert len(weighs & {str(1024 * cores), str(100 * cores)}) == 1
        down = one.command("down", "--target", target)
        assert down.returncode == 0, down.stdout + down.stderr
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        with pytest.raises(httpx.ConnectError):
            httpx.get(ready, trust_env=False)


def test_a_killed_supervisor_takes_every_pod_with_it(tmp_path: Path, target: str) -> None:
    """Nobody asks the node to end; what it left of files, the next `down` removes."""
    with drill(tmp_path, target=target) as one:
        asked = ("--target", target, "--profile", "test_short", "--scale", "1")
        assert one.command("up", *asked, seconds_max=300).returncode == 0
        found = state(one)
        pids = [int(spec["pid"]) for spec in found["processes"]]
        os.kill(found["pid"], signal.SIGKILL)
        await_true(lambda: not any(map(exists, pids)), "the end of every part", 30)
        assert one.command("down", "--target", target).returncode == 0
        left = one.work / "state" / f"testbed-{NAME}"
        assert not left.exists() or [path.name for path in left.iterdir()] == ["logs"]


def exists(pid: int) -> bool:
    """Whether there is a process with that number; a zombie is none."""
    stat = read_bytes(Path(f"/proc/{pid}/stat"))
    return bool(stat) and stat.rpartition(b")")[2].split()[0] != b"Z"


def test_a_toxiproxy_that_hangs_is_restarted_with_the_drills_own_rights(
    tmp_path: Path, target: str
) -> None:
    """It has its proxies again, as another process; and the drill may restart nothing else."""
    with drill(tmp_path, target=target) as one:
        asked = ("--target", target, "--profile", "test_short", "--scale", "1")
        assert one.command("up", *asked, seconds_max=300).returncode == 0
        found = state(one)
        resolved = targets.resolve(targets.load(target), testbed=found["endpoints"])
        toxiproxy = resolved.regions[REGION].toxiproxy
        assert toxiproxy is not None
        pid = _pid(found, "toxiproxy")
        url = f"{toxiproxy.url}/proxies"
        before = httpx.get(url, headers=HEADERS, trust_env=False).json()
        assert len(before) == 3
        os.kill(pid, signal.SIGSTOP)
        way = restart_of(toxiproxy.restart)
        assert way is not None
        way.restart()
        assert httpx.get(url, headers=HEADERS, trust_env=False).json() == before
        assert not Path(f"/proc/{pid}").exists()
        access = ClusterAccess(
            namespace=REGION,
            context=found["endpoints"]["context"],
            kubeconfig=found["endpoints"]["kubeconfig"],
        )
        with pytest.raises(PortError, match="403"):
            restart(access, "gateway-1", 10)
        with pytest.raises(PortError, match="403"):
            Cluster(access).get("/api/v1/namespaces/muster/secrets")
        with pytest.raises(PortError, match="403"):
            Cluster(access).get(f"/api/v1/namespaces/{REGION}/secrets")


def _pid(found: dict[str, Any], kind: str) -> int:
    """The process of a part of that kind in the evacuated region."""
    parts = [spec for spec in found["processes"] if spec["region"] == REGION]
    return next(int(spec["pid"]) for spec in parts if spec["kind"] == kind)
