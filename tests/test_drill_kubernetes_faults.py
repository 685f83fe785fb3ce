"""Whole drills of what is done to pods besides stopping all of them, on pods of a real kubelet.

The drills are the shipped experiments with shorter holds. Those on a healthy platform share one
testbed, which each must leave as it was; each defect has a testbed of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drill_runner import ROOT, Drill, drill
from floor_fixtures import await_true
from pods_api import ApiServer
from pods_target import (
    LOAD,
    REGION,
    UP_S_MAX,
    is_back,
    need_real_pods,
    nothing_is_left,
    pods_target,
)

from muster.platform.cluster.drained_node import MARK as CORDON
from muster.platform.cluster.flawed_release import IMAGE, MARK
from muster.testbed.kubernetes.node.kubelet import NAME as NODE

pytestmark = pytest.mark.kubernetes
HOLD_S, RECOVERY_S = 10, 5
# The findings or causes of a stop by which a platform with that defect must be told.
SEEN_BY = {
    ("pods_killed", "ready_too_early"): {"rate_5xx", "availability"},
    ("readiness_broken", "no_spare_gateway"): {"rate_429", "success_2xx"},
    ("image_unpullable", "no_spare_gateway"): {"rate_429", "success_2xx"},
}
RELEASED = "gateway-0"
"""The one deployment of which a drill may make a release here."""


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[Drill]:
    """A testbed of pods that no drill started, and so none ends; nothing is left of it."""
    need_real_pods()
    with nothing_is_left(folder), drill(folder, **variables) as one:
        planted = ("--defect", variables["defect"]) if "defect" in variables else ()
        done = one.command(
            "up", "--target", variables["target"], *LOAD, *planted, seconds_max=UP_S_MAX
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield one


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A healthy platform, whose one node a drill may try to drain."""
    folder = tmp_path_factory.mktemp("pods")
    target = pods_target(folder, node=NODE, policies=True)
    with running(folder, target=target) as one:
        yield one


@pytest.fixture
def api(healthy: Drill) -> Iterator[ApiServer]:
    """The API server of the healthy platform, on which all is as it was at the test's end."""
    with api_of(healthy) as one:
        assert one.all_ready()
        yield one
        assert one.all_ready()


@contextmanager
def api_of(up: Drill) -> Iterator[ApiServer]:
    """The API server of a running testbed."""
    one = ApiServer(up)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def on(up: Drill, work: Path) -> Iterator[Drill]:
    """One more drill on that testbed, with evidence of its own."""
    shared = {"MUSTER_STATE_DIR": str(up.work / "state"), "MUSTER_OUT_DIR": str(work / "out")}
    one = Drill(work, variables={**up.variables, **shared})
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def short(name: str, folder: Path) -> Path:
    """The shipped experiment, with shorter holds: what is judged is the same."""
    data = json.loads((ROOT / "experiments" / f"{name}.json").read_text())
    for activity in data["method"]:
        given = activity["provider"].get("arguments", {})
        if "seconds" in given:
            given["seconds"] = RECOVERY_S if activity["name"] == "recovery" else HOLD_S
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data))
    return path


def template(found: dict[str, Any]) -> dict[str, Any]:
    """The pod template of a deployment."""
    made: dict[str, Any] = found["spec"]["template"]
    return made


@pytest.mark.parametrize("name", ["pods_killed", "readiness_broken", "image_unpullable"])
def test_a_healthy_platform_passes(
    healthy: Drill, api: ApiServer, tmp_path: Path, name: str
) -> None:
    """The other gateway of the region goes on; the fault was there, and all of it is taken back."""
    pods, before = api.pods(), template(api.deployment(RELEASED))
    with on(healthy, tmp_path) as one:
        one.start(short(name, tmp_path))
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        faults = {(fault["fault"], fault["proven"]) for fault in one.verdict["faults"]}
        assert faults == {(name, True)}
        assert is_back(one)
    assert template(api.deployment(RELEASED)) == before
    replaced = set(pods.items()) - set(api.pods().items())
    assert len(replaced) == 1, "one pod of one gateway, and no other"
    assert REGION in next(iter(replaced))[0]


@pytest.mark.parametrize("defect", sorted({defect for _, defect in SEEN_BY}))
def test_a_planted_defect_fails(tmp_path: Path, defect: str) -> None:
    """By what its clients see while a gateway of two is away, or has just come back."""
    names = [name for name, planted in SEEN_BY if planted == defect]
    with (
        running(tmp_path, target=pods_target(tmp_path), defect=defect) as up,
        api_of(up) as api,
    ):
        for name in names:
            with on(up, tmp_path / name) as one:
                one.work.mkdir()
                one.start(short(name, one.work))
                assert one.wait() == 1, one.output
                assert one.verdict["verdict"] == "FAIL"
                named = one.failures() | set(str(one.verdict["stopped_by"]).split(":"))
                assert named & SEEN_BY[name, defect], (named, one.output)
                assert all(fault["proven"] for fault in one.verdict["faults"])
                assert is_back(one)
            assert api.all_ready()


def test_a_killed_drills_release_is_rolled_back_by_its_watchdog(
    healthy: Drill, api: ApiServer, tmp_path: Path
) -> None:
    """SIGKILL while the image cannot be pulled; what counts is what the API server says then."""
    before = template(api.deployment(RELEASED))
    with on(healthy, tmp_path) as one:
        one.start(short("image_unpullable", tmp_path))
        one.await_event("fault_proof", lambda seen: seen["proven"])
        flawed = template(api.deployment(RELEASED))
        assert [each["image"] for each in flawed["spec"]["containers"]] == [IMAGE]
        assert flawed["metadata"]["annotations"][MARK]
        assert one.process is not None
        one.process.kill()
        one.process.wait()
        runs = Path(one.environment()["MUSTER_STATE_DIR"]) / "drills"
        await_true(lambda: not any(runs.glob("*/target")), "the end of the drill", 120)
        assert template(api.deployment(RELEASED)) == before
        assert api.all_ready()
        assert one.verdict["stopped_by"] == "lost_lease"
        assert one.verdict["verdict"] == "ABORTED"
        assert is_back(one)


def test_the_only_node_is_not_drained(healthy: Drill, api: ApiServer, tmp_path: Path) -> None:
    """Its pods could go nowhere: refused for the rights, and with them for the node."""
    pods = api.pods()
    node = api.get(f"/api/v1/nodes/{NODE}")
    forbidden, nowhere = 'cannot get resource "nodes"', "no other node is ready to take the pods"
    for number, reason in enumerate((forbidden, nowhere)):
        with on(healthy, tmp_path / str(number)) as one:
            one.work.mkdir()
            one.start(short("node_drained", one.work))
            assert one.wait() == 4, one.output
            assert one.verdict["verdict"] == "ABORTED"
            assert one.verdict["stopped_by"] == "action:preflight"
            assert reason in one.output
            assert not one.events("fault_applied")
        if reason == forbidden:
            api.let_drain()
    after = api.get(f"/api/v1/nodes/{NODE}")
    assert "unschedulable" not in after["spec"]
    assert after["spec"] == node["spec"]
    assert CORDON not in after["metadata"].get("annotations", {})
    assert api.pods() == pods


def test_a_policy_that_nobody_enforces_is_no_partition(
    healthy: Drill, api: ApiServer, tmp_path: Path
) -> None:
    """The API server takes it, and every stream goes on: no verdict about the platform."""
    pods = api.pods()
    with on(healthy, tmp_path) as one:
        one.start(short("region_partition", tmp_path))
        one.await_event("fault_applied")
        policies = f"/apis/networking.k8s.io/v1/namespaces/{REGION}/networkpolicies"
        assert one.wait() == 3, one.output
        assert one.verdict["verdict"] == "INCONCLUSIVE"
        assert one.verdict["stopped_by"] == "fault:not_proven"
        assert "no controller enforces it" in one.output
        assert not any(fault["proven"] for fault in one.verdict["faults"])
        assert is_back(one)
    assert api.get(policies)["items"] == []
    assert api.pods() == pods
