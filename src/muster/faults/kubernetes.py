"""Deployments scaled to 0 and back through chaostoolkit-kubernetes' own client.

Its `deployment_fully_available` can be true right after a rollout and is never true for 0 replicas
(0.39), so availability is read from the deployment's status here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from muster.faults.model import FaultError
from muster.targets.model import KubernetesPower

CALL_S_MAX = 10.0


class Deployments:
    """The deployments that a region's `power` names, in its namespace."""

    def __init__(self, power: KubernetesPower) -> None:
        self.power = power
        # chaosk8s takes over a second to import: only targets on Kubernetes pay for it.
        from chaosk8s import create_k8s_api_client, has_local_config_file
        from kubernetes.client import AppsV1Api, CoreV1Api

        if power.context and not has_local_config_file():
            # The client would fall back to another cluster than the one that the target names.
            raise FaultError(f"Kubernetes: no kubeconfig to find the context {power.context} in")
        secrets = {"KUBERNETES_CONTEXT": power.context} if power.context else None
        try:
            client = create_k8s_api_client(secrets)
            self._api: Any = AppsV1Api(client)
            self._core: Any = CoreV1Api(client)
        except Exception as error:  # kubernetes' ConfigException, or whatever YAML brings
            raise FaultError(f"Kubernetes: {str(error)[:200]}") from error

    def replicas(self) -> dict[str, int]:
        """Replicas asked for, by deployment. Raises FaultError."""
        return {name: int(self._read(name).spec.replicas or 0) for name in self.power.deployments}

    def running(self) -> dict[str, int]:
        """Pods that still exist, by deployment. Raises FaultError."""
        return {name: int(self._read(name).status.replicas or 0) for name in self.power.deployments}

    def scale(self, replicas: Mapping[str, int]) -> None:
        """Ask for `replicas` and read back that they are asked for. Raises FaultError.

        A deployment that cannot be scaled keeps no other from it.
        """
        refused: list[str] = []
        for name, count in replicas.items():
            try:
                self._call(
                    "patch_namespaced_deployment_scale",
                    name,
                    self.power.namespace,
                    {"spec": {"replicas": count}},
                )
            except FaultError as error:
                refused.append(f"{name}: {error}")
        if refused:
            raise FaultError("; ".join(refused))
        shown = self.replicas()
        if any(shown[name] != count for name, count in replicas.items()):
            raise FaultError(f"deployments show {shown}, asked for {dict(replicas)}")

    def kill(self) -> None:
        """Scale to 0 and delete every pod without grace, all at once. Raises FaultError.

        Scaled first, or the cluster would put new pods in their place.
        """
        labels = {
            name: self._read(name).spec.selector.match_labels or {} for name in self.replicas()
        }
        if missing := sorted(name for name, wanted in labels.items() if not wanted):
            raise FaultError(f"deployments {missing} select their pods by no labels")
        self.scale(dict.fromkeys(labels, 0))
        for wanted in labels.values():
            self._call(
                "delete_collection_namespaced_pod",
                self.power.namespace,
                api=self._core,
                label_selector=",".join(f"{key}={value}" for key, value in wanted.items()),
                grace_period_seconds=0,
            )

    def restart(self, timeout_s: float) -> None:
        """Roll every deployment over, as `kubectl rollout restart` does. Raises FaultError."""
        now = datetime.now(UTC).isoformat()
        pods = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
        for name in self.power.deployments:
            self._call(
                "patch_namespaced_deployment",
                name,
                self.power.namespace,
                {"spec": {"template": pods}},
            )
        self.await_available(self.replicas(), timeout_s)

    def await_available(self, replicas: Mapping[str, int], timeout_s: float) -> None:
        """Wait until every deployment has all its replicas available. Raises FaultError."""
        end = time.monotonic() + timeout_s
        while True:
            if all(_available(self._read(name)) >= count for name, count in replicas.items()):
                return
            if time.monotonic() > end:
                raise FaultError(f"deployments {sorted(replicas)} not available in {timeout_s:g} s")
            time.sleep(1.0)

    def _read(self, name: str) -> Any:
        return self._call("read_namespaced_deployment", name, self.power.namespace)

    def _call(self, operation: str, *arguments: Any, api: Any = None, **named: Any) -> Any:
        try:
            call = getattr(api or self._api, operation)
            return call(*arguments, _request_timeout=CALL_S_MAX, **named)
        except Exception as error:  # kubernetes and urllib3 share no base of their own
            raise FaultError(f"Kubernetes {operation}: {str(error)[:200]}") from error


def _available(deployment: Any) -> int:
    """Available pods; 0 while the status still speaks of an earlier state of the deployment."""
    status = deployment.status
    if int(status.observed_generation or 0) < int(deployment.metadata.generation or 0):
        return 0
    return int(status.available_replicas or 0)
