"""The API server of a testbed of pods, as an administrator sees it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from drill_runner import ROOT, Drill
from kubernetes_world import Live
from pods_target import NAME, OTHER, REGION

from muster.testbed.kubernetes.regions.access import DRILL, OPERATIONS


class ApiServer(Live):
    """Of the running testbed of `one`."""

    def __init__(self, one: Drill) -> None:
        place = Path(one.environment()["MUSTER_STATE_DIR"]) / f"testbed-{NAME}" / "kubernetes"
        kubeconfig = place / "admin.kubeconfig"
        shown = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
        plane: Any = SimpleNamespace(
            ca=shown["certificate-authority"], kubeconfig=kubeconfig, url=shown["server"]
        )
        # The testbed starts and ends it.
        super().__init__(plane, None, None)  # type: ignore[arg-type]

    def get(self, path: str) -> dict[str, Any]:
        """What is there; a test fails with what the API server said."""
        return self.call("GET", path)

    def post(self, path: str, body: Any) -> dict[str, Any]:
        """Create something."""
        return self.call("POST", path, body)

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
        self.http.close()

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
