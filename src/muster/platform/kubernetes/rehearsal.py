"""What a cluster would refuse of a stop, a loss and a start, asked before anything is changed.

The rights are asked for by SelfSubjectAccessReview. Then both directions are sent as server-side
dry runs, so that admission policies and webhooks judge them. A dry run creates no pods, so quotas
are read: where more is used than a quota allows, what is stopped could not all come back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial

from muster.platform.kubernetes.autoscalers import HPA
from muster.platform.kubernetes.cluster import Refused
from muster.platform.kubernetes.fields import Json, mapping, text
from muster.platform.kubernetes.keda import SCALED_OBJECTS, change_of, to_pause
from muster.platform.kubernetes.kinds import PODS, REPLICASETS, Kind
from muster.platform.kubernetes.quantity import quantity
from muster.platform.kubernetes.rights import Right, allowed, missing, tried
from muster.platform.kubernetes.workloads import Workloads, forced

logger = logging.getLogger("chaostoolkit")
QUOTAS = Kind("", "v1", "resourcequotas", "ResourceQuota")


def refusals(workloads: Workloads, *, kill: bool, pauses_keda: bool = False) -> tuple[str, ...]:
    """What would be refused, a line each; empty if nothing is known. Raises PortError.

    `kill`: also of deleting pods; `pauses_keda`: also of pausing KEDA's
    ScaledObjects. A missing right makes the rest pointless.
    """
    # Who may not list them cannot tell which there are: a PortError, which refuses the drill too.
    paused = to_pause(workloads) if pauses_keda else []
    if lacking := tuple(_missing_rights(workloads, paused, kill=kill)):
        return lacking
    return (
        *_refused_changes(workloads, kill=kill),
        *_refused_pauses(workloads, paused),
        *_quotas(workloads),
    )


def refusals_of_start(workloads: Workloads, *, pauses_keda: bool = False) -> tuple[str, ...]:
    """What would be refused of a start alone, a line each. Raises PortError.

    The workloads may be stopped as this is asked: a dry run scales each to what it is asked for.
    """
    where = workloads.namespace
    needed = [*of_each(workloads), *_to_scale(workloads)]
    if pauses_keda:
        needed += [Right(verb, SCALED_OBJECTS, where) for verb in ("list", "get", "patch")]
    if lacking := tuple(missing(workloads.cluster, needed)):
        return lacking
    found: list[str] = []
    for name, count in workloads.asked().items():
        found += tried(f"{name} to {count} replicas", partial(_scaled, workloads, name, count))
    return tuple(found)


def _missing_rights(workloads: Workloads, paused: Sequence[str], *, kill: bool) -> Iterator[str]:
    where = workloads.namespace
    needed = [*reading(workloads), *_to_scale(workloads)]
    needed += [Right("delete", PODS, where)] if kill else []
    for name in paused:
        needed += [Right(verb, SCALED_OBJECTS, where, name=name) for verb in ("get", "patch")]
    yield from missing(workloads.cluster, needed)
    if not allowed(workloads.cluster, Right("list", HPA, where)):
        logger.warning(
            "namespace %s: no right to list %s: after a drill the replicas must be as before",
            where,
            HPA.plural,
        )
    kinds = {workloads.workload(name).kind for name in workloads.names} | {PODS}
    watches = (Right("watch", kind, where) for kind in sorted(kinds, key=lambda one: one.plural))
    for said in missing(workloads.cluster, watches):
        logger.warning("%s: a stop and a start poll instead, and take longer", said)


def reading(workloads: Workloads) -> list[Right]:
    """The rights that reading workloads and finding their pods needs. Raises PortError."""
    needed = [Right("list", PODS, workloads.namespace), *of_each(workloads)]
    if any(workloads.workload(name).kind.name != "StatefulSet" for name in workloads.names):
        needed.append(Right("get", REPLICASETS, workloads.namespace))
    return needed


def of_each(workloads: Workloads) -> list[Right]:
    """To read each workload and its scale."""
    found = map(workloads.workload, workloads.names)
    where = workloads.namespace
    return [Right("get", one.kind, where, sub, one.name) for one in found for sub in ("", "scale")]


def to_identify(workloads: Workloads) -> list[Right]:
    """To see whether each workload is still the same one."""
    return [one for one in of_each(workloads) if one.sub]


def _to_scale(workloads: Workloads) -> list[Right]:
    """To scale each workload."""
    found = map(workloads.workload, workloads.names)
    return [Right("patch", one.kind, workloads.namespace, "scale", one.name) for one in found]


def _refused_changes(workloads: Workloads, *, kill: bool) -> Iterator[str]:
    for name, (asked, pods) in workloads.pods().items():
        for count in (0, asked):
            change = partial(_scaled, workloads, name, count)
            yield from tried(f"{name} to {count} replicas", change)
        if kill and pods:
            pod = PODS.path(workloads.namespace, pods[0].name)
            options = forced(pods[0])
            yield from tried(
                f"deleting a pod of {name}",
                partial(workloads.cluster.delete, pod, options, dry_run=True),
            )


def _scaled(workloads: Workloads, name: str, count: int) -> None:
    change = {"spec": {"replicas": count}}
    workloads.cluster.patch(workloads.path(name, "/scale"), change, dry_run=True)


def _refused_pauses(workloads: Workloads, paused: Sequence[str]) -> Iterator[str]:
    for name in paused:
        path = SCALED_OBJECTS.path(workloads.namespace, name)
        for value, what in (("true", "pausing"), (None, "resuming")):
            change = change_of(value)
            yield from tried(
                f"{what} KEDA's {name}",
                partial(workloads.cluster.patch, path, change, dry_run=True),
            )


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
