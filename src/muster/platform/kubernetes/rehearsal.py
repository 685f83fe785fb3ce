"""What a cluster would refuse of a stop, a loss and a start, asked before anything is changed.

The rights are asked for by SelfSubjectAccessReview. Then both directions are sent as server-side
dry runs, so that admission policies and webhooks judge them. A dry run creates no pods, so quotas
are read: where more is used than a quota allows, what is stopped could not all come back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from muster.platform.kubernetes.autoscalers import HPA
from muster.platform.kubernetes.cluster import Refused
from muster.platform.kubernetes.fields import Json, mapping, text
from muster.platform.kubernetes.kinds import PODS, REPLICASETS, Kind
from muster.platform.kubernetes.quantity import quantity
from muster.platform.kubernetes.workloads import Workloads, forced
from muster.platform.port import PortError

logger = logging.getLogger("chaostoolkit")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
QUOTAS = Kind("", "v1", "resourcequotas", "ResourceQuota")


def refusals(workloads: Workloads, *, kill: bool) -> tuple[str, ...]:
    """What would be refused, a line each; empty if nothing is known. Raises PortError.

    `kill`: also of deleting pods without grace. A missing right makes the rest pointless.
    """
    missing = tuple(_missing_rights(workloads, kill=kill))
    if missing:
        return missing
    return (*_refused_changes(workloads, kill=kill), *_quotas(workloads))


def _missing_rights(workloads: Workloads, *, kill: bool) -> Iterator[str]:
    needed: list[tuple[str, Kind, str, str]] = []
    for name in workloads.names:
        one = workloads.workload(name)
        needed += [("get", one.kind, "", one.name), ("get", one.kind, "scale", one.name)]
        needed += [("patch", one.kind, "scale", one.name)]
    needed += [("list", PODS, "", "")]
    if any(workloads.workload(name).kind.name != "StatefulSet" for name in workloads.names):
        needed += [("get", REPLICASETS, "", "")]
    needed += [("delete", PODS, "", "")] if kill else []
    for verb, kind, sub, name in needed:
        if not _allowed(workloads, verb, kind, sub, name):
            resource = f"{kind.plural}/{sub}" if sub else kind.plural
            named = f" {name}" if name else ""
            yield f"no right to {verb} {resource}{named} in namespace {workloads.namespace}"
    if not _allowed(workloads, "list", HPA, "", ""):
        logger.warning(
            "namespace %s: no right to list %s: after a drill the replicas must be as before",
            workloads.namespace,
            HPA.plural,
        )


def _allowed(workloads: Workloads, verb: str, kind: Kind, sub: str, name: str) -> bool:
    asked = {"namespace": workloads.namespace, "verb": verb, "group": kind.group}
    asked |= {"resource": kind.plural, "subresource": sub, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }
    answer = workloads.cluster.post(REVIEWS, review)
    allowed = mapping(answer, "status").get("allowed")
    if not isinstance(allowed, bool):
        raise PortError(f"Kubernetes: status.allowed: got {allowed!r}, expected true or false")
    return allowed


def _refused_changes(workloads: Workloads, *, kill: bool) -> Iterator[str]:
    for name, (asked, pods) in workloads.pods().items():
        path = workloads.path(name, "/scale")
        for count in (0, asked):
            change = {"spec": {"replicas": count}}
            yield from _tried(
                f"{name} to {count} replicas",
                lambda path=path, change=change: workloads.cluster.patch(
                    path, change, dry_run=True
                ),
            )
        if kill and pods:
            pod = PODS.path(workloads.namespace, pods[0].name)
            options = forced(pods[0])
            yield from _tried(
                f"deleting a pod of {name}",
                lambda pod=pod, options=options: workloads.cluster.delete(
                    pod, options, dry_run=True
                ),
            )


def _tried(what: str, change: Callable[[], None]) -> Iterator[str]:
    try:
        change()
    except Refused as error:
        if "dry run" in str(error):
            # A webhook that has side effects: nobody can ask it beforehand.
            logger.warning("%s could not be tried: %s", what, error)
        else:
            yield f"{what}: {error}"
    except PortError as error:
        yield f"{what}: {error}"


def _quotas(workloads: Workloads) -> Iterator[str]:
    try:
        found: Sequence[Json] = workloads.cluster.items(QUOTAS.path(workloads.namespace))
    except Refused as error:
        logger.warning("whether a quota lets everything come back is unknown: %s", error)
        return
    for quota in found:
        hard, used = mapping(quota, "spec", "hard"), mapping(quota, "status", "used")
        for key, limit in hard.items():
            if key in used and quantity(used[key]) > quantity(limit):
                yield (
                    f"quota {text(quota, 'metadata', 'name')}: {used[key]} {key} are used and "
                    f"{limit} allowed: what is stopped could not all come back"
                )
