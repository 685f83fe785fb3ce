"""Where the objects of a kind stand in a cluster's API."""

from __future__ import annotations

from dataclasses import dataclass

from muster.platform.kubernetes.cluster import Cluster
from muster.platform.kubernetes.fields import each, text
from muster.platform.port import PortError


@dataclass(frozen=True)
class Kind:
    """`group` is empty for the core group; `plural` is the kind's name in paths."""

    group: str
    version: str
    plural: str
    name: str

    @property
    def group_version(self) -> str:
        """As `apiVersion` says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "") -> str:
        """The path of all objects of the kind in `namespace`, or of the one called `name`."""
        base = f"{_root(self.group_version)}/namespaces/{namespace}/{self.plural}"
        return f"{base}/{name}" if name else base

    def everywhere(self, name: str = "") -> str:
        """The path of all objects of the kind in the cluster; or of one, if it is in no
        namespace.
        """
        base = f"{_root(self.group_version)}/{self.plural}"
        return f"{base}/{name}" if name else base


PODS = Kind("", "v1", "pods", "Pod")
CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap")
NODES = Kind("", "v1", "nodes", "Node")
REPLICASETS = Kind("apps", "v1", "replicasets", "ReplicaSet")
KNOWN = {
    "deployment": Kind("apps", "v1", "deployments", "Deployment"),
    "statefulset": Kind("apps", "v1", "statefulsets", "StatefulSet"),
    "replicaset": REPLICASETS,
    "replicationcontroller": Kind("", "v1", "replicationcontrollers", "ReplicationController"),
}
"""Kinds of Kubernetes itself, by the name that a target file and kubectl use."""


class Kinds:
    """Finds kinds, and asks the cluster once for each that it does not know."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._of_objects: dict[tuple[str, str], Kind] = {
            (kind.group_version, kind.name): kind for kind in KNOWN.values()
        }
        self._of_targets = dict(KNOWN)

    def named(self, kind: str) -> Kind:
        """The kind that a target file calls `kind`: `deployment`, or PLURAL.GROUP. Raises
        PortError.
        """
        if kind not in self._of_targets:
            plural, _, group = kind.partition(".")
            found = self._cluster.get(f"/apis/{group}")
            version = text(found, "preferredVersion", "version")
            self._of_targets[kind] = self._listed(f"{group}/{version}", "name", plural)
        return self._of_targets[kind]

    def of_object(self, group_version: str, name: str) -> Kind:
        """The kind of objects with that `apiVersion` and `kind`. Raises PortError."""
        key = (group_version, name)
        if key not in self._of_objects:
            self._of_objects[key] = self._listed(group_version, "kind", name)
        return self._of_objects[key]

    def _listed(self, group_version: str, key: str, wanted: str) -> Kind:
        group, _, version = group_version.rpartition("/")
        for one in each(self._cluster.get(_root(group_version)), "resources"):
            plural = text(one, "name")
            if one.get(key) == wanted and "/" not in plural:
                return Kind(group, version, plural, text(one, "kind"))
        raise PortError(f"Kubernetes: {group_version} has no {wanted}")


def _root(group_version: str) -> str:
    return f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
