"""The Job of a load in parts, and the object that holds its orders. Pure; no secret is in either.

A part that died is not begun anew, since it would offer its arrivals a second time, at another
moment; and it does not end the others, whose streams the drill still needs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from muster.load import LoadPlan
from muster.load.orders import (
    ACCESS_VARIABLE,
    ADDRESS_VARIABLE,
    CONFIG,
    DRILL,
    DRILL_VARIABLE,
    NAME_VARIABLE,
    NAMESPACE_VARIABLE,
    ORDERS,
    READY_VARIABLE,
    Orders,
)
from muster.load.starter import FILES_MAX, shard_configs
from muster.platform.kubernetes.load_job import DRILL as DRILL_NOTE
from muster.targets.load_access import KubernetesLoad
from muster.targets.load_check import ENV

LABEL = "app.kubernetes.io/name"
SCRATCH = "/run/muster"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
DEADLINE_S = 13 * 3600
"""The last net, above the longest load: the cluster itself ends a Job that is older."""
FILES_SPARE = 200
_FILES_A_STREAM = 1.5
_RESOURCES = {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}


def config_of(access: KubernetesLoad, plan: LoadPlan) -> str:
    """What all parts are told, as JSON; `${env.NAME}` in it stays as it is."""
    (shard,) = shard_configs(plan)
    streams = plan.traffic.streams * plan.scale / access.parts
    needed = min(FILES_MAX, math.ceil(streams * _FILES_A_STREAM)) + FILES_SPARE
    return json.dumps(
        {
            "shard": shard.to_json(),
            "parts": access.parts,
            "metrics_ports": [access.port_of(part) for part in range(access.parts)],
            "files_needed": needed,
            "lifeline_s": access.lifeline_s,
        }
    )


def orders_of(
    access: KubernetesLoad, drill_id: str, config: str, orders: Orders, uid: str = ""
) -> dict[str, Any]:
    """The object with the orders, which the cluster deletes together with the Job `uid`."""
    meta = _meta(access, drill_id)
    if uid:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": access.job, "uid": uid}
        meta["ownerReferences"] = [owner]
    data = {CONFIG: config, DRILL: drill_id, ORDERS: orders.model_dump_json()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def job_of(access: KubernetesLoad, drill_id: str, config: str) -> dict[str, Any]:
    """The Job. `config` says which secrets its pods need."""
    parts = access.parts
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _meta(access, drill_id),
        "spec": {
            "completionMode": "Indexed",
            "completions": parts,
            "parallelism": parts,
            "backoffLimitPerIndex": 0,
            "maxFailedIndexes": parts,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": DEADLINE_S,
            "template": {
                "metadata": {
                    "labels": {LABEL: access.job},
                    "annotations": {
                        # Whoever makes room on a node must not take a part for it.
                        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                        "karpenter.sh/do-not-disrupt": "true",
                        **access.annotations,
                    },
                },
                "spec": added(_pod(access, drill_id, config), access.pod),
            },
        },
    }


def secrets_in(config: str) -> list[str]:
    """The names of the variables that a part fills in, by `${env.NAME}`."""
    return sorted(set(ENV.findall(config)))


def added(made: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`made` with `more`: mappings and lists are joined, any other value is replaced."""
    found = dict(made)
    for key, value in more.items():
        before = found.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found[key] = added(before, value)
        elif isinstance(before, list) and isinstance(value, Sequence) and value != str(value):
            found[key] = [*before, *value]
        else:
            found[key] = value
    return found


def _meta(access: KubernetesLoad, drill_id: str) -> dict[str, Any]:
    return {
        "name": access.job,
        "namespace": access.namespace,
        "labels": {LABEL: access.job},
        "annotations": {DRILL_NOTE: drill_id},
    }


def _pod(access: KubernetesLoad, drill_id: str, config: str) -> dict[str, Any]:
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if not access.host_network:
        # One stream holds one source port to one address of the platform.
        ports = {"name": "net.ipv4.ip_local_port_range", "value": "10240 65535"}
        security["sysctls"] = [ports]
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {LABEL: access.job}},
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": access.service_account,
        "terminationGracePeriodSeconds": 10,
        "securityContext": security,
        "topologySpreadConstraints": [spread],
        "containers": [added(_container(access, drill_id, config), access.container)],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}}],
    }


def _container(access: KubernetesLoad, drill_id: str, config: str) -> dict[str, Any]:
    ready = f"{SCRATCH}/ready"
    fields = {NAMESPACE_VARIABLE: "metadata.namespace", ADDRESS_VARIABLE: "status.podIP"}
    values = {
        NAME_VARIABLE: access.job,
        DRILL_VARIABLE: drill_id,
        ACCESS_VARIABLE: ACCOUNT,
        READY_VARIABLE: ready,
    }
    env: list[dict[str, Any]] = [{"name": name, "value": text} for name, text in values.items()]
    env += [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in fields.items()
    ]
    env += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": access.secret, "key": name}}}
        for name in secrets_in(config)
    ]
    ports = [{"name": "metrics", "containerPort": access.metrics_port, "protocol": "TCP"}]
    return {
        "name": "load",
        "image": access.image,
        "command": ["python", "-m", "muster.load", "--part"],
        "env": env,
        # With the node's network each part has another port, which one template cannot say.
        **({} if access.host_network else {"ports": ports}),
        # Ready once, and for as long as its node answers: no probe disturbs the load.
        "startupProbe": {
            "exec": {"command": ["test", "-e", ready]},
            "periodSeconds": 1,
            "failureThreshold": max(1, math.ceil(access.ready_s_max)),
        },
        "resources": {} if "resources" in access.container else _RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}],
    }
