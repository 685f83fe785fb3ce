"""Scales deployments to 0 and back with chaostoolkit-kubernetes' own client.

Its `deployment_fully_available` can be true right after a rollout and is never true for 0 replicas
(version 0.39), so Muster reads availability from the deployment's status.
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


class NoSuchKind(PortError):
    """The cluster has nothing at that path: no such object, or no such kind of object."""


class Deployments:
    """Named deployments of one namespace. `context`: of the kubeconfig; None: its current one.

    The constructor reads the kubeconfig, sends nothing to the cluster, and raises PortError.
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
        # chaosk8s takes over a second to import: only targets on Kubernetes should need that time.
        from chaosk8s import create_k8s_api_client, has_local_config_file
        from kubernetes.client import AppsV1Api, AutoscalingV2Api, CoreV1Api, CustomObjectsApi

        if context and not has_local_config_file():
            # Without this check the client would use another cluster than the one that the target
            # names.
            raise PortError(f"Kubernetes: no kubeconfig to find the context {context} in")
        secrets = {"KUBERNETES_CONTEXT": context} if context else None
        try:
            client = create_k8s_api_client(secrets)
            self._api: Any = AppsV1Api(client)
            self._core: Any = CoreV1Api(client)
            self._autoscaling: Any = AutoscalingV2Api(client)
            self._custom: Any = CustomObjectsApi(client)
        except Exception as error:  # kubernetes' ConfigException, or any error from YAML
            raise PortError(f"Kubernetes: {' '.join(str(error).split())[:200]}") from error

    def replicas(self) -> dict[str, int]:
        """Desired replicas by deployment. Raises PortError."""
        return {name: int(self._read(name).spec.replicas or 0) for name in self.names}

    def available(self) -> dict[str, int]:
        """Available replicas by deployment. Raises PortError."""
        return {name: _available(self._read(name)) for name in self.names}

    def running(self) -> dict[str, int]:
        """Existing pods by deployment, including terminating ones. Raises PortError.

        They are listed by the deployment's selector, because its own `status.replicas` is 0 as soon
        as its pods begin to terminate, while they still serve.
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
        """Least and most replicas by deployment, for each that an autoscaler scales.

        Empty if the cluster does not say; then the replicas must be as before.
        """
        try:
            listed = self.autoscalers()
        except PortError as error:
            logger.debug("autoscalers: %s", error)
            return {}
        return {
            one.spec.scale_target_ref.name: (
                int(one.spec.min_replicas or 1),
                int(one.spec.max_replicas),
            )
            for one in listed
            if one.spec.scale_target_ref.kind == "Deployment"
        }

    def autoscalers(self) -> Sequence[Any]:
        """The namespace's HorizontalPodAutoscalers. Raises PortError."""
        listed = self._call(
            "list_namespaced_horizontal_pod_autoscaler", self.namespace, api=self._autoscaling
        )
        found: Sequence[Any] = listed.items
        return found

    def custom(
        self, group: str, version: str, plural: str, *, everywhere: bool = False
    ) -> list[dict[str, Any]]:
        """Objects of a kind that others brought; none where the cluster has no such kind.

        Of the namespace, or of all. Raises PortError.
        """
        operation = "list_namespaced_custom_object"
        arguments = [group, version, self.namespace, plural]
        if everywhere:
            operation, arguments = "list_cluster_custom_object", [group, version, plural]
        try:
            listed = self._call(operation, *arguments, api=self._custom)
        except NoSuchKind:
            return []
        items = listed.get("items") if isinstance(listed, dict) else None
        if not isinstance(items, list):
            raise PortError(f"Kubernetes {operation}: answered no list of {plural}")
        return items

    def marks(self, name: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Labels and annotations of a deployment. Raises PortError."""
        meta = self._read(name).metadata
        return dict(meta.labels or {}), dict(meta.annotations or {})

    def await_gone(self, timeout_s: float) -> None:
        """Wait until no pod is left, or until the time is over. Raises PortError.

        The proof decides whether none is left.
        """
        end = self._clock.monotonic_s() + timeout_s
        while any(self.running().values()) and self._clock.monotonic_s() < end:
            self._clock.sleep(GONE_LOOK_S)

    def scale(self, replicas: Mapping[str, int]) -> None:
        """Set `replicas` and read the desired number back. Raises PortError.

        One deployment that cannot be scaled does not prevent the others from being scaled.
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
            raise PortError(f"deployments show {shown} replicas, expected {dict(replicas)}")

    def kill(self) -> None:
        """Delete every pod without grace, all at once, and scale to 0. Raises PortError.

        The pods are deleted first: scaled to 0 they would begin their grace period, and a later
        deletion would only hide them while they still serve. Pods that replace them meanwhile are
        deleted too.
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
        """Restart the pods of every deployment, like `kubectl rollout restart`. Raises
        PortError.
        """
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
        except Exception as error:  # kubernetes and urllib3 share no base class for their errors
            said = " ".join(str(error).split())
            kind = NoSuchKind if getattr(error, "status", None) == 404 else PortError
            raise kind(f"Kubernetes {operation}: {said[:200]}") from error
        if found is None:
            raise PortError(f"Kubernetes {operation}: returned nothing")
        return found


def _selector(name: str, selector: Any) -> str:
    """The label selector of a deployment's pods, in the API's form. Raises PortError.

    A selector without any label would select every pod of the namespace.
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
        raise PortError(f"deployment {name} has a selector without labels")
    return ",".join(parts)


def _available(deployment: Any) -> int:
    """Available pods; 0 while the status still describes an earlier generation of the
    deployment.
    """
    status = deployment.status
    if int(status.observed_generation or 0) < int(deployment.metadata.generation or 0):
        return 0
    return int(status.available_replicas or 0)
