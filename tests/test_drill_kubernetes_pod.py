"""A whole drill as the pod of a game day's Job, in the cluster whose region it darkens.

The pod is deleted in mid-dark, and everything in it ends: drill, watchdog, load. Those that stand
by restore the region, without a person.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from drill_runner import ROOT, Drill, drill
from game_day_cluster import (
    BACK_S_MAX,
    GROUPS,
    LEASE_S,
    documents,
    here,
    job_of_game_day,
    logs,
    stand_by,
    told,
)
from kubernetes_world import PODS, Live, Namespace
from pods_api import ApiServer
from pods_target import (
    OTHER,
    REGION,
    mentioning,
    need_real_pods,
    nothing_is_left,
    pods_target,
    state,
)

from muster import targets
from muster.platform.steering.route53 import Route53
from muster.testbed.kubernetes.control_plane import CONTEXT

pytestmark = pytest.mark.kubernetes
HOME = "muster"
WORKLOADS = {"gateway-0": "Deployment", "gateway-1": "Deployment", "redis": "StatefulSet"}
READ = (
    "contract", "deploy", "drills", "experiments", "presets", "probes", "reports", "src", "targets",
    "tests",
)  # fmt: skip
TOKENS = ("load_token", "canary_token", "control_token")
SLOW_S = 120.0


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Drill]:
    """The testbed, running, and nothing of it afterwards."""
    need_real_pods()
    file = pods_target(tmp_path)
    with nothing_is_left(tmp_path), drill(tmp_path, target=file) as running:
        asked = ("--target", file, "--profile", "test_short", "--scale", "1")
        up = running.command("up", *asked, seconds_max=300)
        assert up.returncode == 0, up.stdout + up.stderr
        yield running


@pytest.fixture
def world(one: Drill, tmp_path: Path) -> SimpleNamespace:
    """The cluster with the manifests of game days, and the target as a pod there has it."""
    found = state(one)
    live = ApiServer(one)
    home, region = Namespace(live, HOME), Namespace(live, REGION)
    for name, space in (("muster.yaml", HOME), ("region.yaml", REGION), ("region.yaml", OTHER)):
        for document in documents(name, HOME):
            if document["kind"] in ("ServiceAccount", "Role", "RoleBinding"):
                there(live, document, document["metadata"].get("namespace", space))
    for name in ("muster-recover-cluster", "muster-recover-restart"):
        for space in (REGION, OTHER):
            there(live, bound(name), space)
    target = targets.resolve(
        targets.load(one.environment()["MUSTER_TARGET"]), testbed=found["endpoints"]
    )
    data = json.loads(target.model_dump_json(by_alias=True, exclude_none=True))
    # A target without a testbed of its own, as a platform's is: its secrets are variables.
    for key in ("testbed", "provider_stub", "dns_stub", "steering_stub"):
        del data[key]
    data |= {"name": "pods", "class": "staging"}
    data["shared"] = {
        "kind": "kubernetes", "namespace": HOME, "context": CONTEXT, "lease_s": LEASE_S,
        "kubeconfig": found["endpoints"]["kubeconfig"], "standby": True,
    }  # fmt: skip
    secrets = {name.upper(): found["endpoints"][name] for name in TOKENS}
    text = json.dumps(data).replace(found["endpoints"]["kubeconfig"], "${env.POD_KUBECONFIG}")
    for name, secret in secrets.items():
        text = text.replace(secret, f"${{env.{name}}}")
    file = tmp_path / "pods.yaml"
    file.write_text(yaml.safe_dump(json.loads(text)))
    steering = Route53(target.steering)
    before = steering.weights()

    def back() -> bool:
        whole = all(
            region.get(name, kind)["status"].get("availableReplicas") == 1
            for name, kind in WORKLOADS.items()
        )
        return whole and steering.weights() == before

    return SimpleNamespace(
        file=str(file),
        folder=tmp_path,
        secrets=secrets,
        scraped=Path(found["endpoints"]["load_file_sd"]).parent,
        home=home,
        region=region,
        back=back,
        dark=lambda: not any(region.asked(name, kind) for name, kind in WORKLOADS.items()),
    )


def there(live: Live, document: dict[str, Any], space: str) -> None:
    """Create it, unless the testbed has made one of that name."""
    kind = document["kind"]
    path = f"{GROUPS[kind]}/namespaces/{space}/{kind.lower()}s"
    answer = live.http.post(path, json=document)
    assert answer.is_success or answer.status_code == 409, answer.text


def bound(role: str) -> dict[str, Any]:
    """A role of the region for whoever stands by."""
    return {
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-standby"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "standby", "namespace": HOME}],
    }


def test_a_drill_whose_pod_is_deleted_in_the_dark_is_restored_within_a_minute(world):
    """`chaos run` as the manifest's Job runs it, under load; nobody does anything."""
    stand_by(world, READ, SLOW_S, **world.secrets)
    job = job_of_game_day(HOME)
    more = {"MUSTER_TARGET": world.file, "MUSTER_PROFILE": "test_short", "MUSTER_SCALE": "1"}
    more["PATH"] = f"{Path(sys.prefix, 'bin')}:/usr/bin:/bin"
    command = [str(ROOT / "deploy/game_day"), "pod"]
    pod = job["spec"]["template"]
    here(world, pod, "drill", command, READ, written=[world.scraped], **more, **world.secrets)
    live = world.home.live
    live.call("POST", f"{GROUPS['Job']}/namespaces/{HOME}/jobs", job)

    told(world, world.dark, "the dark", SLOW_S)
    (pod,) = world.home.pods(**{"app.kubernetes.io/component": "game-day"})
    assert len(mentioning("muster.load")) > 0, logs(world)
    live.call("DELETE", f"{PODS.format(HOME)}/{pod['metadata']['name']}", {"gracePeriodSeconds": 0})
    told(world, world.back, "the region", BACK_S_MAX)
    told(
        world,
        lambda: logs(world).count("restored: region") == 1,
        "the word of who restored",
        SLOW_S,
    )
