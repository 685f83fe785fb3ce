"""Game days in a test's namespaces: the manifests as they stand, and a region that can go dark."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from floor_fixtures import OTHER, REGION, await_true, stand_in
from kubernetes_world import PODS, Live, Namespace, access
from shared_targets import shared_document, write_target
from strict_aws import strict_aws, weighted

from muster import targets
from muster.platform.steering.route53 import Route53
from muster.testbed.kubernetes.control_plane import CONTEXT
from muster.testbed.kubernetes.node.pods import spec

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
GROUPS = {
    "ServiceAccount": "/api/v1",
    "PersistentVolumeClaim": "/api/v1",
    "Role": "/apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1",
    "CronJob": "/apis/batch/v1",
    "Job": "/apis/batch/v1",
    "Deployment": "/apis/apps/v1",
    "PodDisruptionBudget": "/apis/policy/v1",
}
BACK_S_MAX = 60.0
"""Within which a region must be back whose drill's pod is gone."""
LEASE_S = 15.0
BEFORE = {REGION: 60, OTHER: 140}


def documents(name: str, home: str) -> list[dict[str, Any]]:
    """The documents of a manifest, with the namespace `muster` called `home`."""
    text = (DEPLOY / name if "/" in name else DEPLOY / "game-day" / name).read_text()
    text = re.sub(r"namespace: muster\b", f"namespace: {home}", text)
    return [one for one in yaml.safe_load_all(text) if one]


def create(live: Live, document: dict[str, Any], space: str, **query: str) -> dict[str, Any]:
    """Create it as it stands: an unknown or doubled field is refused."""
    kind = document["kind"]
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    path = f"{GROUPS[kind]}/namespaces/{space}/{kind.lower()}s?fieldValidation=Strict&{asked}"
    return live.call("POST", path, document)


def apply(
    live: Live,
    name: str,
    home: Namespace,
    space: Namespace | None = None,
    kinds: Collection[str] = GROUPS,
) -> None:
    """Every document of these kinds; as a dry run first."""
    for one in documents(name, home.name):
        if one["kind"] in kinds:
            where = one["metadata"].get("namespace", (space or home).name)
            create(live, one, where, dryRun="All")
            create(live, one, where)


def kubeconfig_as(home: Namespace, account: str, folder: Path) -> str:
    """A kubeconfig of a service account of the manifests."""
    path = f"/api/v1/namespaces/{home.name}/serviceaccounts/{account}/token"
    asked = {"spec": {"expirationSeconds": 3600}}
    data = json.loads(Path(home.live.kubeconfig).read_text())
    data["users"][0]["user"] = {"token": home.live.call("POST", path, asked)["status"]["token"]}
    file = folder / f"{home.name}.{account}.kubeconfig"
    file.write_text(json.dumps(data))
    return str(file)


def here(
    world: SimpleNamespace,
    pod: dict[str, Any],
    account: str,
    command: list[str],
    read: Sequence[str],
    *,
    written: Sequence[Path] = (),
    **more: str,
) -> None:
    """Let a manifest's pod run on this machine's node: its image, user and volumes are changed.

    `read`: which parts of the checkout it sees. `written`: folders of the machine that it may write
    to. `more`: variables of its environment.
    """
    (said,) = pod["spec"]["containers"]
    given = {
        "POD_KUBECONFIG": kubeconfig_as(world.home, account, world.folder),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "MUSTER_HOME": str(ROOT),
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}",
        "MUSTER_OUT_DIR": "/state/out",
        **more,
    }
    kept = [one for one in said["env"] if "value" in one and one["name"] not in given]
    container = {
        "name": said["name"],
        "command": command,
        "env": kept + [{"name": name, "value": value} for name, value in given.items()],
        "volumeMounts": [{"name": "state", "mountPath": "/state"}],
    }
    if "readinessProbe" in said:
        container["readinessProbe"] = said["readinessProbe"]
    seen = [ROOT / name for name in read]
    seen += [world.folder, Path(world.region.live.plane.ca).parent]
    made = spec(container, read=seen, written=written)
    made["volumes"].append({"name": "state", "emptyDir": {}})
    if "restartPolicy" in pod["spec"]:
        made["restartPolicy"] = pod["spec"]["restartPolicy"]
    pod["spec"] = made


def job_of_game_day(home: str) -> dict[str, Any]:
    """The Job that the manifest's CronJob makes."""
    (cron,) = documents("cronjob.yaml", home)
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "game-day"}}
    return job | {"spec": cron["spec"]["jobTemplate"]["spec"]}


def stand_by(world: SimpleNamespace, read: Sequence[str], seconds_max: float, **more: str) -> None:
    """Return once both of the manifest's Deployment are ready, by its own probe.

    `read` and `more`: as of `here`.
    """
    live, name = world.home.live, world.home.name
    (standby,) = [one for one in documents("standby.yaml", name) if one["kind"] == "Deployment"]
    command = [sys.executable, "-m", "chaostoolkit", "--no-log-file", "drill"]
    command += ["standby", "--target", world.file]
    here(world, standby["spec"]["template"], "standby", command, read, **more)
    create(live, standby, name)
    path = world.home.path("Deployment", "standby")
    told(
        world,
        lambda: live.call("GET", path).get("status", {}).get("availableReplicas") == 2,
        "both that stand by",
        seconds_max,
    )


def logs(world: SimpleNamespace, **labels: str) -> str:
    """What Muster's pods have said, as kubectl would show it; those with these labels."""
    said = ""
    for pod in world.home.pods(**labels):
        name = pod["metadata"]["name"]
        answer = world.home.live.http.get(f"{PODS.format(world.home.name)}/{name}/log")
        said += f"{name}:\n{answer.text}\n"
    return said


def told(world: SimpleNamespace, holds: Callable[[], Any], what: str, seconds_max: float) -> None:
    """Wait until `holds()`; a test that fails tells what Muster's pods have said."""
    try:
        await_true(holds, what, seconds_max)
    except AssertionError as error:
        pods = [one["status"] for one in world.home.pods()]
        raise AssertionError(f"{error}\n{logs(world)}\n{pods}") from error


@contextmanager
def dark_world(
    live: Live, home: Namespace, region: Namespace, folder: Path
) -> Iterator[SimpleNamespace]:
    """A region of 3 pods of a gateway and 1 of Redis, whose traffic a stand-in steers.

    `home` gets the manifests of Muster's namespace, `region` those of a region. Whoever uses the
    target file has the account of `POD_KUBECONFIG`. `keys`: what the store holds, by key.
    """
    apply(live, "muster.yaml", home)
    apply(live, "kubernetes/role.yaml", home, region, ("Role",))
    apply(live, "region.yaml", home, region)

    def whole() -> bool:
        gateway = region.get("gateway")["status"].get("availableReplicas")
        redis = region.get("redis", "StatefulSet")["status"].get("availableReplicas")
        return (gateway, redis) == (3, 1)

    def ready(call: Any) -> tuple[int, Any]:
        up = OTHER in call.path or region.get("gateway")["status"].get("availableReplicas")
        return (200 if up else 503), {}

    with strict_aws() as aws, stand_in(ready) as front:
        for name, weight in BEFORE.items():
            row, xml = weighted("chat.staging.example.com.", name, weight, "192.0.2.1")
            aws.records[row] = xml
        data = shared_document(aws.url)
        for name in (REGION, OTHER):
            data["regions"][name]["ready_url"] = f"{front.url}/{name}"
        account = "${env.POD_KUBECONFIG}"
        names = ["deployment/gateway", "statefulset/redis"]
        data["regions"][REGION]["power"] = access(region, workloads=names, kubeconfig=account)
        data["shared"] = {"kind": "kubernetes", "namespace": home.name, "context": CONTEXT}
        data["shared"] |= {"kubeconfig": account, "lease_s": LEASE_S}
        file = write_target(folder / "t.yaml", data)
        steering = Route53(targets.load(file).steering)
        maps = f"/api/v1/namespaces/{home.name}/configmaps"
        maps += "?labelSelector=app.kubernetes.io/managed-by%3Dmuster"

        def keys() -> dict[str, str]:
            found = [one["data"] for one in live.call("GET", maps)["items"]]
            return {one["key"]: one["text"] for one in found}

        yield SimpleNamespace(
            file=file,
            folder=folder,
            home=home,
            region=region,
            keys=keys,
            dark=lambda: region.asked("gateway") == 0 and steering.weights()[REGION] == 0,
            back=lambda: whole() and steering.weights() == BEFORE,
        )
