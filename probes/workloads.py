"""A region's workloads for the journal, through chaostoolkit-kubernetes. They are not judged.

That extension reads the kubeconfig that stood in the environment at its import, keeps one
configuration for the whole process, and gives its calls no time-out. Muster's adapters have
configurations of their own, so only this probe uses that one, in a thread that can be abandoned. A
target that names its own `kubeconfig`, or a pod's service account, is read by Muster itself.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from muster.actions.wrap import activity

if TYPE_CHECKING:
    from muster.drill.session import Session
    from muster.platform.kubernetes.kinds import Kind
    from muster.targets.power import KubernetesPower

__all__ = ["read"]
READ_S_MAX = 10.0
ALONE = threading.Lock()
"""Held while the extension reads: its one configuration may be another region's otherwise."""


@activity
def read(session: Session, region: str) -> dict[str, Any]:
    """The workloads of `region` as their cluster shows them, by the names that the target gives.

    Raises ActivityFailed for a region whose power is not `kubernetes`, or if no answer comes.
    """
    # Imported here: `chaos` imports this module at every start, and must stay fast.
    from muster.platform.kubernetes.workloads import Workloads
    from muster.targets.kubernetes import IN_CLUSTER, ClusterAccess

    known = session.target.regions
    if region not in known:
        raise ActivityFailed(f"region: got {region!r}, expected one of {', '.join(known)}")
    access = known[region].power
    if not isinstance(access, ClusterAccess):
        raise ActivityFailed(f"regions.{region}.power.kind: got {access.kind}, expected kubernetes")
    workloads = Workloads(access, access.workloads, session.clock)
    if access.kubeconfig or access.context == IN_CLUSTER:
        return {name: workloads.cluster.get(workloads.path(name)) for name in workloads.names}
    kinds = {name: workloads.workload(name).kind for name in workloads.names}
    return _by_extension(access, kinds)


def _by_extension(access: KubernetesPower, kinds: dict[str, Kind]) -> dict[str, Any]:
    from chaosk8s.crd.probes import get_custom_object

    secrets = {"KUBERNETES_CONTEXT": access.context} if access.context else None
    found: dict[str, Any] = {}
    failed: list[str] = []

    def run() -> None:
        try:
            with ALONE:
                for name, kind in kinds.items():
                    plain = name.partition("/")[2]
                    found[name] = get_custom_object(
                        kind.group, kind.version, kind.plural, plain, access.namespace, secrets
                    )
        except Exception as error:  # reported by the caller, in its own thread
            failed.append(" ".join(f"{type(error).__name__}: {error}".split()))

    thread = threading.Thread(target=run, name="muster-workloads", daemon=True)
    thread.start()
    thread.join(READ_S_MAX)
    if failed or thread.is_alive():
        raise ActivityFailed(f"workloads: {failed[0] if failed else 'no answer in time'}")
    return found
