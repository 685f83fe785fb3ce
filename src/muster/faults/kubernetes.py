"""Deployments scaled to 0 and back through chaostoolkit-kubernetes' own client.

Its `deployment_fully_available` can be true right after a rollout and is never true for 0 replicas
(0.39), so availability is read from the deployment's status here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from muster.faults.model import FaultError
from muster.targets.model import KubernetesPower

CALL_S_MAX = 10.0


class Deployments:
    """The deployments that a region's `power` names, in its namespace."""

    def __init__(self, power: KubernetesPower) -> None:
        self.power = power
        # chaosk8s takes over a second to import: only targets on Kubernetes pay for it.
        from chaosk8s import create_k8s_api_client
        from kubernetes.client import AppsV1Api

        secrets = {"KUBERNETES_CONTEXT": power.context} if power.context else None
        self._api: Any = AppsV1Api(create_k8s_api_client(secrets))

    def replicas(self) -> dict[str, int]:
        """Replicas asked for, by deployment. Raises FaultError."""
        return {name: int(self._read(name).spec.replicas or 0) for name in self.power.deployments}

    def scale(self, replicas: Mapping[str, int]) -> None:
        """Ask for `replicas` and read back that they are asked for. Raises FaultError."""
        for name, count in replicas.items():
            self._call(
                "patch_namespaced_deployment_scale",
                name,
                self.power.namespace,
                {"spec": {"replicas": count}},
            )
        shown = self.replicas()
        if any(shown[name] != count for name, count in replicas.items()):
            raise FaultError(f"deployments show {shown}, asked for {dict(replicas)}")

    def await_available(self, replicas: Mapping[str, int], timeout_s: float) -> None:
        """Wait until every deployment has all its replicas available. Raises FaultError."""
        end = time.monotonic() + timeout_s
        while True:
            status = {name: self._read(name).status for name in replicas}
            if all(
                int(status[name].available_replicas or 0) >= replicas[name] for name in replicas
            ):
                return
            if time.monotonic() > end:
                raise FaultError(f"deployments {sorted(replicas)} not available in {timeout_s:g} s")
            time.sleep(1.0)

    def _read(self, name: str) -> Any:
        return self._call("read_namespaced_deployment", name, self.power.namespace)

    def _call(self, operation: str, *arguments: Any) -> Any:
        try:
            return getattr(self._api, operation)(*arguments, _request_timeout=CALL_S_MAX)
        except Exception as error:  # kubernetes and urllib3 share no base of their own
            raise FaultError(f"Kubernetes {operation}: {str(error)[:200]}") from error
