"""Restarts a deployment's pods, and judges by the rules of `kubectl rollout status`.

Done means: the controller has observed the change, every replica is of the new template, no old one
is left, and all are available. A restart whose new pods cannot start leaves the old ones in
service: that is an error.
"""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.platform.kubernetes.cluster import Cluster, Conflict, Unanswered
from muster.platform.kubernetes.fields import Json, each, mapping, text, whole_number
from muster.platform.kubernetes.kinds import KNOWN
from muster.platform.port import PortError
from muster.targets.kubernetes import ClusterAccess

LOOK_APART_S = 0.5
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def restart(
    access: ClusterAccess, deployment: str, timeout_s: float, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Restart the pods of `deployment`, and return once none of the old ones is left. Raises
    PortError.
    """
    cluster = Cluster(access, clock)
    path = KNOWN["deployment"].path(access.namespace, deployment)
    until_s = clock.monotonic_s() + timeout_s
    template = {"metadata": {"annotations": {RESTARTED_AT: utc(clock).isoformat()}}}
    asked, said = False, ""
    while True:
        try:
            if not asked:
                # The same moment each time: a repetition does not restart them once more.
                cluster.patch(path, {"spec": {"template": template}})
                asked = True
            said = unfinished(cluster.get(path))
            if not said:
                return
        except (Conflict, Unanswered) as error:
            said = str(error)
        if clock.monotonic_s() > until_s:
            raise PortError(f"deployment {deployment}: not restarted in {timeout_s:g} s: {said}")
        clock.sleep(LOOK_APART_S)


def unfinished(found: Json) -> str:
    """Why the rollout of the deployment `found` is not done yet; empty if it is. Raises
    PortError.
    """
    name, status = text(found, "metadata", "name"), mapping(found, "status")
    wanted = whole_number(found, "spec", "replicas", absent=1)
    generation = whole_number(found, "metadata", "generation")
    if whole_number(status, "observedGeneration", absent=0) < generation:
        return "the controller has not seen the change"
    for one in each(status, "conditions"):
        if one.get("type") == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded":
            raise PortError(f"deployment {name}: its rollout exceeded its progress deadline")
    updated = whole_number(status, "updatedReplicas", absent=0)
    if updated < wanted:
        return f"{updated} of {wanted} replicas are new"
    old = whole_number(status, "replicas", absent=0) - updated
    if old > 0:
        return f"{old} old replicas are left"
    available = whole_number(status, "availableReplicas", absent=0)
    if available < updated:
        return f"{available} of {updated} new replicas are available"
    return ""
