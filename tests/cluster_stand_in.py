"""A cluster's API as a small store of objects, with the controllers and the kubelet that it needs.

What holds on a real API server is tested there (the marker `kubernetes`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from floor_fixtures import Call

MARK = "muster/flawed-release"
Object = dict[str, Any]
Answer = tuple[int, Any]


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def refused(status: int, message: str) -> Answer:
    return status, {"kind": "Status", "status": "Failure", "message": message}


@dataclass
class ClusterStandIn:
    """Deployments of one namespace on two nodes.

    `denied`: (verb, resource) of which the caller has no right. `blocked`: a PodDisruptionBudget
    allows no eviction. `stuck`: controllers do nothing; `blind`: they have not looked at their pods
    since, so that statuses are old. `plays_kubelet`: flawed pods fail; if not,
    every pod becomes ready at once. `uids` and `created` tell the objects of two clusters apart.
    """

    namespace: str
    objects: dict[str, Object] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    blocked: bool = False
    stuck: bool = False
    blind: bool = False
    plays_kubelet: bool = True
    uids: str = "uid"
    created: str = "2026-01-01T00:00:00Z"
    _count: int = 0
    _told: dict[str, Object] = field(default_factory=dict)

    def number(self) -> int:
        self._count += 1
        return self._count

    def base(self, plural: str) -> str:
        api = {"deployments": "apis/apps/v1", "replicasets": "apis/apps/v1"}
        api["networkpolicies"] = "apis/networking.k8s.io/v1"
        return f"/{api.get(plural, 'api/v1')}/namespaces/{self.namespace}/{plural}"

    def put(self, path: str, found: Object) -> Object:
        """Create an object, or set it anew."""
        meta = found.setdefault("metadata", {})
        meta.setdefault("uid", f"{self.uids}-{self.number()}")
        meta.setdefault("creationTimestamp", self.created)
        meta["resourceVersion"] = str(self.number())
        self.objects[path] = found
        return found

    def node(self, name: str) -> None:
        ready = {"type": "Ready", "status": "True"}
        meta = {"name": name}
        self.put(
            f"/api/v1/nodes/{name}",
            {"metadata": meta, "spec": {}, "status": {"conditions": [ready]}},
        )

    def deployment(self, name: str, replicas: int, **labels: str) -> None:
        labels = labels or {"app": name}
        pod = {
            "containers": [{"name": "c", "image": "a:1", "readinessProbe": {"periodSeconds": 3}}]
        }
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        meta = {"name": name, "generation": 1}
        self.put(f"{self.base('deployments')}/{name}", {"metadata": meta, "spec": spec})
        self.reconcile()

    def of(self, plural: str, **labels: str) -> list[Object]:
        """The objects of a kind with these labels."""
        return [
            one
            for path, one in self.objects.items()
            if f"/{plural}/" in path and labels.items() <= one["metadata"].get("labels", {}).items()
        ]

    def reconcile(self) -> None:
        """What the controllers do: pods as the deployments ask for, old ones while new fail."""
        for one in self.of("deployments"):
            if self.stuck:
                return
            current = self._replicaset(one)
            uid = current["metadata"]["uid"]
            pods = list(self._pods_of(one))
            new = [pod for pod in pods if _owner(pod) == uid]
            wanted = one["spec"]["replicas"]
            if new and not all(map(_ready, new)):
                continue  # a rollout that is stuck: the old ones go on
            old = [pod for pod in pods if _owner(pod) != uid]
            while len(new) < wanted:
                new.append(self._pod(one, current))
                if not _ready(new[-1]):
                    break
            if all(map(_ready, new)):
                for pod in old:
                    del self.objects[f"{self.base('pods')}/{pod['metadata']['name']}"]

    def answer(self, call: Call) -> Answer:
        path, _, query = call.path.partition("?")
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        if path.endswith("/selfsubjectaccessreviews"):
            one = call.json["spec"]["resourceAttributes"]
            return 201, {"status": {"allowed": (one["verb"], one["resource"]) not in self.denied}}
        if path.endswith("/horizontalpodautoscalers"):
            return 200, {"items": []}
        if path.endswith("/scale"):
            return self._scale(path.removesuffix("/scale"))
        if call.method == "GET" and path in self.objects:
            return 200, self._shown(self.objects[path])
        if call.method == "GET" and path.rpartition("/")[2] in KINDS:
            return 200, {"items": list(self._listed(path, asked))}
        # A deletion's options stand in its body: what its query says is not read.
        asked = call.json if call.method == "DELETE" and call.body else asked
        kept = copy.deepcopy(self.objects) if asked.get("dryRun") else None
        answer = self._changed(call, path)
        if kept is not None:
            self.objects = kept
        return answer

    def _changed(self, call: Call, path: str) -> Answer:
        if path.endswith("/eviction"):
            if self.blocked:
                return refused(429, "Cannot evict pod as it would violate the disruption budget.")
            return self._deleted(path.removesuffix("/eviction"), call.json["deleteOptions"])
        if call.method == "POST":
            body = call.json
            place = f"{path}/{body['metadata']['name']}"
            if place in self.objects:
                return refused(409, "already exists")
            return 201, self.put(place, body)
        if path not in self.objects:
            return refused(404, f"no {path}")
        if call.method == "DELETE":
            return self._deleted(path, json.loads(call.body or b"{}"))
        found = self.objects[path]
        body = call.json
        version = body.get("metadata", {}).pop("resourceVersion", None)
        if version not in (None, found["metadata"]["resourceVersion"]):
            return refused(409, "the object has been modified")
        self.put(path, merged(found, body))
        self.reconcile()
        return 200, self.objects[path]

    def _deleted(self, path: str, options: Object) -> Answer:
        if path not in self.objects:
            return refused(404, f"no {path}")
        uid = options.get("preconditions", {}).get("uid")
        if uid not in (None, self.objects[path]["metadata"]["uid"]):
            return refused(409, "the uid differs")
        del self.objects[path]
        self.reconcile()
        return 200, {"kind": "Status", "status": "Success"}

    def _scale(self, path: str) -> Answer:
        if path not in self.objects:
            return refused(404, f"no {path}")
        one = self.objects[path]
        labels = one["spec"]["selector"]["matchLabels"]
        chosen = ",".join(f"{key}={value}" for key, value in labels.items())
        shown = {key: one["spec"][key] for key in ("replicas",)}
        return 200, {"metadata": one["metadata"], "spec": shown, "status": {"selector": chosen}}

    def _listed(self, path: str, asked: dict[str, str]) -> Iterator[Object]:
        plural = path.rpartition("/")[2]
        labels = dict(pair.split("=") for pair in asked.get("labelSelector", "").split(",") if pair)
        node = asked.get("fieldSelector", "").partition("spec.nodeName=")[2]
        for one in self.of(plural, **labels):
            if not node or one["spec"].get("nodeName") == node:
                yield self._shown(one)

    def _shown(self, one: Object) -> Object:
        if "template" not in one.get("spec", {}) or "ownerReferences" in one["metadata"]:
            return one
        pods = list(self._pods_of(one))
        uid = self._replicaset(one)["metadata"]["uid"]
        status = {
            "observedGeneration": one["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": len([pod for pod in pods if _owner(pod) == uid]),
            "availableReplicas": len([pod for pod in pods if _ready(pod)]),
        }
        if self.blind:
            status = self._told.get(uid, status)
        self._told[uid] = status
        return {**one, "status": status}

    def _replicaset(self, deployment: Object) -> Object:
        """That of the present template, made if there is none."""
        uid, template = deployment["metadata"]["uid"], deployment["spec"]["template"]
        own = [one for one in self.of("replicasets") if _owner(one) == uid]
        for one in own:
            if _plain(one["spec"]["template"]) == _plain(template):
                return one
        made = copy.deepcopy(template)
        made["metadata"].setdefault("labels", {})["pod-template-hash"] = str(self.number())
        name = f"{deployment['metadata']['name']}-{self.number()}"
        meta = {
            "name": name,
            "annotations": {"deployment.kubernetes.io/revision": str(len(own) + 1)},
            "ownerReferences": [_by("Deployment", deployment)],
        }
        return self.put(
            f"{self.base('replicasets')}/{name}", {"metadata": meta, "spec": {"template": made}}
        )

    def _pods_of(self, deployment: Object) -> Iterator[Object]:
        uid = deployment["metadata"]["uid"]
        own = {one["metadata"]["uid"] for one in self.of("replicasets") if _owner(one) == uid}
        yield from (pod for pod in self.of("pods") if _owner(pod) in own)

    def _pod(self, deployment: Object, replicaset: Object) -> Object:
        template = replicaset["spec"]["template"]
        name = f"{replicaset['metadata']['name']}-{self.number()}"
        meta = copy.deepcopy(template["metadata"])
        meta |= {"name": name, "namespace": self.namespace}
        meta["ownerReferences"] = [_by("ReplicaSet", replicaset)]
        free = [one for one in self.of("nodes") if not one["spec"].get("unschedulable")]
        spec = {"nodeName": free[0]["metadata"]["name"]} if free else {}
        pod = {"metadata": meta, "spec": spec, "status": self._status(template, bool(free))}
        return self.put(f"{self.base('pods')}/{name}", pod)

    def _status(self, template: Object, scheduled: bool) -> Object:
        """What the kubelet says of a pod."""
        flawed = MARK in template["metadata"].get("annotations", {}) and self.plays_kubelet
        container = template["spec"]["containers"][0]
        if not scheduled or (flawed and container["image"].startswith("muster.invalid/")):
            waits = [{"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]
            return {"phase": "Pending", "containerStatuses": waits if scheduled else []}
        ready = {"type": "Ready", "status": "False" if flawed else "True"}
        runs = [{"name": "c", "state": {"running": {}}}]
        return {"phase": "Running", "conditions": [ready], "containerStatuses": runs}


KINDS = (
    "deployments", "replicasets", "pods", "nodes", "networkpolicies", "applications",
    "scaledobjects",
)  # fmt: skip


def _by(kind: str, owner: Object) -> Object:
    meta = owner["metadata"]
    it = {"apiVersion": "apps/v1", "kind": kind, "controller": True}
    return {**it, "name": meta["name"], "uid": meta["uid"]}


def _owner(one: Object) -> str | None:
    for owner in one["metadata"].get("ownerReferences", ()):
        return str(owner["uid"])
    return None


def _ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _plain(template: Object) -> Object:
    found = copy.deepcopy(template)
    found["metadata"].get("labels", {}).pop("pod-template-hash", None)
    if not found["metadata"].get("annotations", True):
        del found["metadata"]["annotations"]
    return found
