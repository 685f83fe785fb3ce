"""What kwok's nodes and pods do: pods become ready at once, and end when their grace is over.

Annotations of a pod make it misbehave, for tests.
"""

from __future__ import annotations

import json
from typing import Any

NEVER_READY = "muster.test/never-ready"
"""A pod with this annotation stays Pending: its image cannot be pulled, say."""
NODE = "muster-node"
_VERSION = "kwok.x-k8s.io/v1alpha1"

_POD_STATUS = """
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
{{ range $kind := list "Initialized" "ContainersReady" "Ready" }}
- type: {{ $kind | Quote }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
"""
_NODE_STATUS = """
conditions:
- type: Ready
  status: "True"
  reason: KwokReady
  lastHeartbeatTime: {{ Now | Quote }}
  lastTransitionTime: {{ Now | Quote }}
capacity: {cpu: "64", memory: 256Gi, pods: "1000"}
allocatable: {cpu: "64", memory: 256Gi, pods: "1000"}
phase: Running
"""


def stages() -> str:
    """kwok's configuration, as documents of YAML."""
    return "\n---\n".join(json.dumps(one) for one in _STAGES)


def node() -> dict[str, Any]:
    """The node that kwok plays, as the API takes it."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}


def _stage(name: str, kind: str, when: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    about = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": when},
    }
    return {
        "apiVersion": _VERSION,
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {**about, **spec},
    }


def _where(key: str, operator: str, *values: str) -> dict[str, Any]:
    found: dict[str, Any] = {"key": key, "operator": operator}
    return {**found, "values": list(values)} if values else found


_STAGES = (
    _stage(
        "node-ready",
        "Node",
        [_where('.status.conditions.[] | select( .type == "Ready" ) | .status', "NotIn", "True")],
        next={"statusTemplate": _NODE_STATUS},
    ),
    _stage(
        "pod-ready",
        "Pod",
        [
            _where(".metadata.deletionTimestamp", "DoesNotExist"),
            _where(".status.phase", "In", "Pending"),
            _where(f'.metadata.annotations["{NEVER_READY}"]', "DoesNotExist"),
        ],
        next={"statusTemplate": _POD_STATUS},
    ),
    _stage(
        "pod-ends",
        "Pod",
        [_where(".metadata.deletionTimestamp", "Exists")],
        # That moment is when the grace is over: until then a pod goes on serving.
        delay={
            "durationMilliseconds": 0,
            "durationFrom": {"expressionFrom": ".metadata.deletionTimestamp"},
        },
        next={"delete": True},
    ),
)
