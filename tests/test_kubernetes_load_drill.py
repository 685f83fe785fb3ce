"""Whole drills whose load runs in pods: on a real API server, with a stand-in for the kubelet."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from drill_runner import TARGET, Drill, drill
from floor_fixtures import await_true
from kubelet_stand_in import KubeletStandIn, kubelet_stand_in
from kubernetes_world import CONTEXT, Live, Namespace
from test_kubernetes_load import RIGHTS, documents, rules_of_the_drill

from muster import targets

pytestmark = pytest.mark.kubernetes
PARTS = 2
SOON_S = 60.0


@dataclass
class Rig:
    """A testbed that is up, and a namespace for the load of its drills."""

    drill: Drill
    space: Namespace
    kubelet: KubeletStandIn
    target: str

    def left(self) -> list[str]:
        """What is left of the load in its namespace."""
        jobs = f"/apis/batch/v1/namespaces/{self.space.name}/jobs"
        found = [*self.space.live.call("GET", jobs)["items"], *self.space.pods()]
        return [one["metadata"]["name"] for one in found]

    def undone(self) -> bool:
        """Whether weights and region are as before, asked of the real systems."""
        from muster.faults.region_power import RegionPower
        from muster.platform import platform_of

        environment = self.drill.environment()
        endpoints = self.drill.testbed()["endpoints"]
        target = targets.load(self.target)
        found = platform_of(targets.resolve(target, testbed=endpoints, environment=environment))
        weights = found.steering.weights()
        power = RegionPower(found, target.evacuate).read_back()
        return len(set(weights.values())) == 1 and 0 not in weights.values() and power.ok


def written(folder: Path, space: Namespace, kubelet: KubeletStandIn) -> str:
    """The test target with its load in pods of that namespace, by the rights that come along."""
    data = yaml.safe_load(TARGET.read_text())
    data["load"] |= {
        "kind": "kubernetes",
        "parts": PARTS,
        "image": "muster-load:test",
        "namespace": space.name,
        "context": CONTEXT,
        "kubeconfig": space.kubeconfig_of(folder, rules_of_the_drill()),
        "secret": "tokens",
        "token": "${env.LOAD_TOKEN}",
        "canary_token": "${env.CANARY_TOKEN}",
        "annotations": kubelet.annotations,
        "container": {"resources": {"requests": {"cpu": "1m"}}},
        "lifeline_s": 15,
    }
    data["blast_radius"]["namespaces"] = [space.name]
    path = folder / TARGET.name
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return str(path)


@pytest.fixture
def rig(live: Live, tmp_path: Path) -> Iterator[Rig]:
    """The tokens of the testbed are in a Secret, and in the environment of the drill."""
    with made(live, tmp_path) as one:
        yield one


@contextmanager
def made(live: Live, folder: Path) -> Iterator[Rig]:
    space = live.namespace()
    for each in documents("load/drill.yaml"):
        each["metadata"]["namespace"] = space.name
        for subject in each.get("subjects", ()):
            subject["namespace"] = space.name
        kind = each["kind"].lower() + "s"
        core = f"/api/v1/namespaces/{space.name}"
        base = RIGHTS.format(space.name) if kind.startswith("role") else core
        live.call("POST", f"{base}/{kind}", each)
    with kubelet_stand_in(space, folder / "kubelet") as kubelet:
        target = written(folder, space, kubelet)
        with drill(folder / "work", target=target) as one:
            one.work.mkdir(parents=True)
            up = ("up", "--target", target, "--profile", "test_short", "--scale", "1")
            done = one.command(*up)
            assert done.returncode == 0, done.stderr
            endpoints = one.testbed()["endpoints"]
            tokens = {
                "LOAD_TOKEN": endpoints["load_token"], "CANARY_TOKEN": endpoints["canary_token"],
            }  # fmt: skip
            one.variables |= tokens
            secret = {key: base64.b64encode(text.encode()).decode() for key, text in tokens.items()}
            path = f"/api/v1/namespaces/{space.name}/secrets"
            live.call("POST", path, {"metadata": {"name": "tokens"}, "data": secret})
            yield Rig(one, space, kubelet, target)


def test_a_drill_with_its_load_in_pods_passes(rig: Rig) -> None:
    """All is judged as with processes; no pod is left, and no secret is in the evidence."""
    one = rig.drill
    one.start()
    assert one.wait() == 0, one.output
    assert one.verdict["verdict"] == "PASS"
    (started,) = one.events("load_started")
    assert started["shards"] == PARTS
    assert [part["part"] for part in started["parts"]] == list(range(1, PARTS + 1))
    (ended,) = one.events("load_ended")
    assert ended["scheduled"] == ended["offered"] > 0
    assert len(list(one.bundle.glob("load-[0-9]*.jsonl"))) == PARTS
    assert one.verdict["load"]["spent"]["requests"] >= ended["offered"]
    rigs = [event["state"] for event in one.events("undo") if event.get("rig")]
    assert rigs == ["pending", "done"]
    assert rig.left() == []
    for path in (path for path in one.bundle.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        for name in ("LOAD_TOKEN", "CANARY_TOKEN"):
            assert one.variables[name].encode() not in raw, path


def test_a_lost_part_in_the_dark_is_no_pass(rig: Rig) -> None:
    """The rig is blamed, with the pod by name; everything is back, and the Job is gone."""
    one = rig.drill
    one.start()
    one.await_event("fault_proof")
    rig.kubelet.processes()[1].kill()
    assert one.wait() == 3, one.output
    assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
    assert one.verdict["stopped_by"] == "load_died"
    assert "part 2 of 2: pod muster-load-" in one.events("stopped")[0]["detail"]
    assert rig.undone()
    assert rig.left() == []


def test_a_drill_that_is_killed_in_the_dark_leaves_no_load(rig: Rig) -> None:
    """Its watchdog keeps the parts alive while it restores and measures, then ends them."""
    one = rig.drill
    one.start()
    one.await_event("fault_proof")
    assert one.process is not None
    one.process.kill()
    one.process.wait()
    await_true(lambda: one.events("drill_ended") != [], "the watchdog's end", SOON_S)
    await_true(lambda: rig.left() == [], "the end of the load", SOON_S)
    await_true((one.bundle / "verdict.json").exists, "the verdict", SOON_S)
    assert one.verdict["verdict"] == "ABORTED"
    assert [event["name"] for event in one.events("timing")].count("trip_to_restored_s") == 1
    assert rig.undone()


def test_where_both_are_killed_the_load_ends_and_recover_deletes_it(rig: Rig) -> None:
    """Nobody renews the parts' orders: they end by themselves."""
    one = rig.drill
    one.start()
    one.await_phase("baseline")
    (watchdog,) = [event["pid"] for event in one.events("watchdog") if event["state"] == "started"]
    assert one.process is not None
    os.kill(watchdog, signal.SIGSTOP)
    one.process.kill()
    one.process.wait()
    os.kill(watchdog, signal.SIGKILL)
    ended = [process.process for process in rig.kubelet.processes()]
    assert len(ended) == PARTS
    await_true(lambda: all(one.poll() == 3 for one in ended), "the parts' end", SOON_S)
    assert rig.left() != []
    time.sleep(0.5)
    done = one.command("recover", "--target", rig.target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rig.left() == []
    assert json.loads((one.bundle / "verdict.json").read_text())["verdict"] == "ABORTED"
