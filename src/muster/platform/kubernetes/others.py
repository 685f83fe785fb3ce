"""Who else sets the replicas of a region's workloads: autoscalers, KEDA, Argo CD, Flux, Helm.

What a controller sets again in mid-drill brings a dark region back. Sources: KEDA, ScaledObject
(pausing); Argo CD, resource tracking, automated sync and `ignoreDifferences`; Flux, Kustomization
(`kustomize.toolkit.fluxcd.io`) and HelmRelease (`helm.toolkit.fluxcd.io`, drift detection).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from muster.platform.kubernetes.autoscalers import autoscalers
from muster.platform.kubernetes.cluster import Absent, Refused
from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.kubernetes.keda import PAUSED, scaled_objects
from muster.platform.kubernetes.workloads import Workload, Workloads
from muster.platform.port import Other, PortError

logger = logging.getLogger("chaostoolkit")
TRACKING_ID = "argocd.argoproj.io/tracking-id"
TRACKING_LABEL = "argocd.argoproj.io/instance"
FLUX_LABEL = "kustomize.toolkit.fluxcd.io/name"
FLUX_OFF = "kustomize.toolkit.fluxcd.io/reconcile"
FLUX_HELM_LABEL = "helm.toolkit.fluxcd.io/name"
HELM_RELEASE = "meta.helm.sh/release-name"
REPLICAS = "/spec/replicas"
APPLICATIONS = "/apis/argoproj.io/v1alpha1/applications"


def others_of(workloads: Workloads, *, pauses_keda: bool = False) -> tuple[Other, ...]:
    """Everybody who shows. Where the cluster does not say, somebody unknown may be there.

    `pauses_keda`: whether a stop pauses KEDA's ScaledObjects, so that they undo nothing.
    """
    found: list[Other] = []
    looks = {**LOOKS, "KEDA": _paused_keda} if pauses_keda else LOOKS
    for whose, look in looks.items():
        try:
            found += look(workloads)
        except PortError as error:
            found.append(Other(f"whether {whose} sets replicas is unknown: {error}", undoes=None))
    return tuple(found)


def healed(workloads: Workloads, names: Sequence[str]) -> Iterator[str]:
    """A line for each of `names` that Argo CD sets again, whatever of it was changed.

    Who may not list its Applications is warned: then nobody can tell. Raises PortError.
    """
    try:
        apps = _listed(workloads, APPLICATIONS)
    except Refused as error:
        logger.warning("whether Argo CD heals %s is unknown: %s", ", ".join(names), error)
        return
    for name in names:
        one = workloads.workload(name)
        for app in apps:
            automated = mapping(app, "spec", "syncPolicy").get("automated")
            if not isinstance(automated, Mapping) or automated.get("enabled") is False:
                continue
            if automated.get("selfHeal") and _manages(app, workloads.namespace, one):
                yield (
                    f"Argo CD's {_name(app)} manages {name}, and sets its release again within "
                    "seconds: turn selfHeal off for the drill"
                )


def _scalers(workloads: Workloads) -> Iterator[Other]:
    """HorizontalPodAutoscalers: idle while replicas are 0, they move them once they are back."""
    for one in autoscalers(workloads):
        if "ScaledObject" in one.owners:
            continue  # told as KEDA's
        yield Other(
            f"the autoscaler {one.name} sets the replicas of {one.workload}, {one.low} to "
            f"{one.high}: after a drill there may be others than before",
            undoes=False,
        )


def _keda(workloads: Workloads) -> Iterator[Other]:
    for one in scaled_objects(workloads):
        said = f"KEDA's {one.name} sets the replicas of {one.workload}"
        if one.paused_by:
            yield Other(f"{said}, and is paused by {one.paused_by}", undoes=False)
        else:
            yield Other(
                f"{said}, and raises them from 0 again: say pause_keda: true, or pause it for the "
                f"drill ({PAUSED})",
                undoes=True,
            )


def _paused_keda(workloads: Workloads) -> Iterator[Other]:
    for one in scaled_objects(workloads):
        how = f"is paused by {one.paused_by}" if one.paused_by else "the drill pauses it meanwhile"
        said = f"KEDA's {one.name} sets the replicas of {one.workload}, and {how}"
        yield Other(said, undoes=False)


def _managers(workloads: Workloads) -> Iterator[Other]:
    """Argo CD, Flux, Helm and operators: by their marks on the workloads, and by Argo CD's own
    objects.
    """
    marked = {name: workloads.cluster.get(workloads.path(name)) for name in workloads.names}
    try:
        apps, lost = _listed(workloads, APPLICATIONS), ""
    except PortError as error:
        # Nobody may list them here: only marks tell, and what they do about replicas is unknown.
        apps, lost = [], str(error)
    for name, found in marked.items():
        labels = mapping(found, "metadata", "labels")
        notes = mapping(found, "metadata", "annotations")
        tracked = _app(labels, notes)
        one = workloads.workload(name)
        app = next((app for app in apps if _manages(app, workloads.namespace, one)), None)
        if app is None and tracked:
            app = next((app for app in apps if _name(app) == tracked), None)
        if app is not None:
            yield _argo(name, one, app)
        elif tracked:
            why = lost or "no such Application is in this cluster"
            yield Other(
                f"Argo CD's {tracked} manages {name}; whether it heals replicas is unknown: {why}",
                undoes=None,
            )
        yield from _by_marks(name, labels, notes)
        yield from _operators(name, found)


def _by_marks(name: str, labels: Json, notes: Json) -> Iterator[Other]:
    """Flux and Helm, by what they write on what they install."""
    if FLUX_LABEL in labels and notes.get(FLUX_OFF) != "disabled":
        yield Other(
            f"Flux's {labels[FLUX_LABEL]} manages {name}, and sets its source's replicas, if "
            f"it names any: suspend it for the drill, or annotate {FLUX_OFF}: disabled",
            undoes=None,
        )
    if FLUX_HELM_LABEL in labels:
        yield Other(
            f"Flux's HelmRelease {labels[FLUX_HELM_LABEL]} manages {name}, and sets its chart's "
            "replicas where it corrects drift: suspend it for the drill",
            undoes=None,
        )
    elif HELM_RELEASE in notes:
        yield Other(
            f"Helm's release {notes[HELM_RELEASE]} installed {name}: no upgrade during a drill",
            undoes=False,
        )


def _operators(name: str, found: Json) -> Iterator[Other]:
    """An owner that is no kind of Kubernetes itself usually sets what it owns again."""
    for owner in each(found, "metadata", "ownerReferences"):
        if owner.get("controller") is True:
            kind, its = text(owner, "kind"), text(owner, "name")
            yield Other(
                f"{kind} {its} controls {name}; whether it sets its replicas again is unknown: "
                "name the kind that is scaled, or pause its operator for the drill",
                undoes=None,
            )


LOOKS: Mapping[str, Callable[[Workloads], Iterator[Other]]] = {
    "an autoscaler": _scalers,
    "KEDA": _keda,
    "Argo CD, Flux, Helm or an operator": _managers,
}


def _listed(workloads: Workloads, path: str) -> Sequence[Json]:
    """Objects of a kind that others brought; none where the cluster has no such kind."""
    try:
        return workloads.cluster.items(path)
    except Absent:
        return []


def _app(labels: Json, notes: Json) -> str:
    """The Application that marks name; empty: none."""
    return str(notes.get(TRACKING_ID, "")).partition(":")[0] or str(labels.get(TRACKING_LABEL, ""))


def _name(app: Json) -> str:
    return text(app, "metadata", "name", absent="")


def _manages(app: Json, namespace: str, one: Workload) -> bool:
    """Whether an Application's status lists the workload."""
    wanted = (one.kind.name, namespace, one.name)
    listed = each(app, "status", "resources")
    return any((one.get("kind"), one.get("namespace"), one.get("name")) == wanted for one in listed)


def _argo(name: str, one: Workload, app: Json) -> Other:
    automated = mapping(app, "spec", "syncPolicy").get("automated")
    said = f"Argo CD's {_name(app)} manages {name}"
    if any(_ignores(entry, one) for entry in each(app, "spec", "ignoreDifferences")):
        return Other(f"{said}, and ignores its replicas", undoes=False)
    if not isinstance(automated, Mapping) or automated.get("enabled") is False:
        return Other(f"{said}, and syncs by hand: no sync during a drill", undoes=False)
    if not automated.get("selfHeal"):
        return Other(f"{said}, and syncs by itself after a commit: none during a drill", False)
    return Other(
        f"{said}, and heals its replicas within seconds: turn selfHeal off for the drill, or "
        f"ignore {REPLICAS} (ignoreDifferences)",
        undoes=True,
    )


def _ignores(entry: Json, one: Workload) -> bool:
    """Whether an entry of `ignoreDifferences` leaves that workload's replicas alone."""
    if entry.get("kind") not in (one.kind.name, "*") or entry.get("name") not in (
        None,
        "",
        one.name,
    ):
        return False
    paths = entry.get("jqPathExpressions") or ()
    return REPLICAS in (entry.get("jsonPointers") or ()) or ".spec.replicas" in paths
