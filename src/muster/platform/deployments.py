"""Deployments scaled to 0 and back through chaostoolkit-kubernetes' own client.

Its `deployment_fully_available` can be true right after a rollout and is never true for 0 replicas
(0.39), so availability is read from the deployment's status here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.platform.port import PortError

logger = logging.getLogger("chaostoolkit")
CALL_S_MAX = 10.0
GONE_LOOK_S = 0.5


class Deployments:
    """Named deployments of one namespace. `context`: of the kubeconfig; None: its current one.

    Making it reads the kubeconfig, asks the cluster nothing, and raises PortError.
    """

    def __init__(
        self,
        namespace: str,
        names: Sequence[str],
        context: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self.namespace = namespace
        self.names = tuple(names)
        # chaosk8s takes over a second to import: only targets on Kubernetes pay for it.
        from chaosk8s import create_k8s_api_client, has_local_config_file
        from kubernetes.client import AppsV1Api, AutoscalingV2Api, CoreV1Api

        if context and not has_local_config_file():
            # The client would fall back to another cluster than the one that the target names.
            raise PortError(f"Kubernetes: no kubeconfig to find the context {context} in")
        secrets = {"KUBERNETES_CONTEXT": context} if context else None
        try:
            client = create_k8s_api_client(secrets)
            self._api: Any = AppsV1Api(client)
            self._core: Any = CoreV1Api(client)
            self._autoscaling: Any = AutoscalingV2Api(client)
        except Exception as error:  # kubernetes' ConfigException, or whatever YAML brings
            raise PortError(f"Kubernetes: {' '.join(str(error).split())[:200]}") from error

    def replicas(self) -> dict[str, int]:
        """Replicas asked for, by deployment. Raises PortError."""
        return {name: int(self._read(name).spec.replicas or 0) for name in self.names}

    def available(self) -> dict[str, int]:
        """Replicas that can take traffic, by deployment. Raises PortError."""
        return {name: _available(self._read(name)) for name in self.names}

    def running(self) -> dict[str, int]:
        """Pods that still exist, terminating ones included, by deployment. Raises PortError.

        Listed by the deployment's selector: its own `status.replicas` is 0 as soon as its pods
        begin to terminate, while they still serve.
        """
        found: dict[str, int] = {}
        for name in self.names:
            chosen = _selector(name, self._read(name).spec.selector)
            listed = self._call(
                "list_namespaced_pod", self.namespace, api=self._core, label_selector=chosen
            )
            found[name] = sum(
                getattr(pod.status, "phase", None) not in ("Succeeded", "Failed")
                for pod in listed.items
            )
        return found

    def autoscaled(self) -> dict[str, tuple[int, int]]:
        """Least and most replicas by deployment, where an autoscaler scales it.

        Empty where the cluster does not say: then the replicas must be what they were.
        """
        try:
            listed = self._call(
                "list_namespaced_horizontal_pod_autoscaler",
                self.namespace,
                api=self._autoscaling,
            )
        except PortError as error:
            logger.debug("autoscalers: %s", error)
            return {}
        return {
            one.spec.scale_target_ref.name: (
                int(one.spec.min_replicas or 1),
                int(one.spec.max_replicas),
            )
            for one in listed.items
            if one.spec.scale_target_ref.kind == "Deployment"
        }

    def await_gone(self, timeout_s: float) -> None:
        """Wait until no pod is left, or until the time is over. Raises PortError.

        Whether none is left is for the proof to say.
        """
        end = self._clock.monotonic_s() + timeout_s
        while any(self.running().values()) and self._clock.monotonic_s() < end:
            self._clock.sleep(GONE_LOOK_S)

    def scale(self, replicas: Mapping[str, int]) -> None:
        """Ask for `replicas` and read back that they are asked for. Raises PortError.

        A deployment that cannot be scaled keeps no other from it.
        """
        refused: list[str] = []
        for name, count in replicas.items():
            try:
                self._call(
                    "patch_namespaced_deployment_scale",
                    name,
                    self.namespace,
                    {"spec": {"replicas": count}},
                )
            except PortError as error:
                refused.append(f"{name}: {error}")
        if refused:
            raise PortError("; ".join(refused))
        shown = self.replicas()
        if any(shown[name] != count for name, count in replicas.items()):
            raise PortError(f"deployments show {shown}, asked for {dict(replicas)}")

    def kill(self) -> None:
        """Delete every pod without grace, all at once, and scale to 0. Raises PortError.

        Deleted first: scaled to 0 they would begin their grace, and a later deletion would only
        hide them while they still serve. What was put in their place meanwhile goes the same way.
        """
        chosen = {name: _selector(name, self._read(name).spec.selector) for name in self.replicas()}
        self._delete_pods(chosen.values())
        self.scale(dict.fromkeys(chosen, 0))
        self._delete_pods(chosen.values())

    def _delete_pods(self, selectors: Iterable[str]) -> None:
        for selector in selectors:
            self._call(
                "delete_collection_namespaced_pod",
                self.namespace,
                api=self._core,
                label_selector=selector,
                grace_period_seconds=0,
            )

    def restart(self, timeout_s: float) -> None:
        """Roll every deployment over, as `kubectl rollout restart` does. Raises PortError."""
        now = utc(self._clock).isoformat()
        pods = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
        for name in self.names:
            self._call(
                "patch_namespaced_deployment",
                name,
                self.namespace,
                {"spec": {"template": pods}},
            )
        self.await_available(self.replicas(), timeout_s)

    def await_available(self, replicas: Mapping[str, int], timeout_s: float) -> None:
        """Wait until every deployment has all its replicas available. Raises PortError."""
        end = self._clock.monotonic_s() + timeout_s
        while True:
            if all(_available(self._read(name)) >= count for name, count in replicas.items()):
                return
            if self._clock.monotonic_s() > end:
                raise PortError(f"deployments {sorted(replicas)} not available in {timeout_s:g} s")
            self._clock.sleep(1.0)

    def _read(self, name: str) -> Any:
        return self._call("read_namespaced_deployment", name, self.namespace)

    def _call(self, operation: str, *arguments: Any, api: Any = None, **named: Any) -> Any:
        try:
            call = getattr(api or self._api, operation)
            found = call(*arguments, _request_timeout=CALL_S_MAX, **named)
        except Exception as error:  # kubernetes and urllib3 share no base of their own
            said = " ".join(str(error).split())
            raise PortError(f"Kubernetes {operation}: {said[:200]}") from error
        if found is None:
            raise PortError(f"Kubernetes {operation}: answered nothing")
        return found


def _selector(name: str, selector: Any) -> str:
    """The label selector of a deployment's pods, as the API takes it. Raises PortError.

    One without any label would select every pod of the namespace.
    """
    parts = [f"{key}={value}" for key, value in (selector.match_labels or {}).items()]
    for one in selector.match_expressions or ():
        values = ",".join(one.values or ())
        parts.append(
            {
                "In": f"{one.key} in ({values})",
                "NotIn": f"{one.key} notin ({values})",
                "Exists": one.key,
                "DoesNotExist": f"!{one.key}",
            }[one.operator]
        )
    if not parts:
        raise PortError(f"deployment {name} selects its pods by no labels")
    return ",".join(parts)


def _available(deployment: Any) -> int:
    """Available pods; 0 while the status still speaks of an earlier state of the deployment."""
    status = deployment.status
    if int(status.observed_generation or 0) < int(deployment.metadata.generation or 0):
        return 0
    return int(status.available_replicas or 0)
