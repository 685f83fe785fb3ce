"""Restarts a deployment's pods, like `kubectl rollout restart`."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.kubernetes.cluster import Cluster, kubectl_of
from muster.platform.kubernetes.kinds import KNOWN
from muster.platform.kubernetes.rights import Right, missing
from muster.platform.kubernetes.rollout import restart
from muster.platform.port import Touch
from muster.platform.restart.model import Restart
from muster.targets.restart import KubernetesRestart


class RestartByKubernetes(Restart):
    """A server that runs as a deployment's pods."""

    def __init__(self, settings: KubernetesRestart, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(clock)
        self._settings = settings

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self._settings.namespace),)

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    def rehearse_revert(self) -> tuple[str, ...]:
        one, kind = self._settings, KNOWN["deployment"]
        needed = [Right(v, kind, one.namespace, name=one.deployment) for v in ("get", "patch")]
        return tuple(missing(Cluster(one, self.clock), needed))

    def restart(self) -> None:
        one = self._settings
        restart(one, one.deployment, one.timeout_s, self.clock)

    def command(self) -> str | None:
        one = self._settings
        kubectl = kubectl_of(one)
        named = f"deployment/{one.deployment}"
        restarted = line(*kubectl, "rollout", "restart", named)
        awaited = line(*kubectl, "rollout", "status", named, f"--timeout={one.timeout_s:.0f}s")
        return f"{restarted} && {awaited}"
