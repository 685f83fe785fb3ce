"""Who else sets the replicas of a region's deployments: autoscalers, KEDA, Argo CD, Flux.

What a controller sets again in mid-drill brings a dark region back. Sources: KEDA, ScaledObject
(pausing); Argo CD, resource tracking, automated sync and `ignoreDifferences`; Flux, Kustomization
(`kustomize.toolkit.fluxcd.io`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from muster.platform.port import Other, PortError

if TYPE_CHECKING:
    from muster.platform.deployments import Deployments

TRACKING_ID = "argocd.argoproj.io/tracking-id"
TRACKING_LABEL = "argocd.argoproj.io/instance"
FLUX_LABEL = "kustomize.toolkit.fluxcd.io/name"
FLUX_OFF = "kustomize.toolkit.fluxcd.io/reconcile"
KEDA_PAUSED = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas")
REPLICAS = "/spec/replicas"
Named = Mapping[str, Any]


def others_of(deployments: Deployments) -> tuple[Other, ...]:
    """Everybody who shows. Where the cluster does not say, somebody unknown may be there."""
    found: list[Other] = []
    for whose, look in LOOKS.items():
        try:
            found += look(deployments)
        except PortError as error:
            found.append(Other(f"whether {whose} sets replicas is unknown: {error}", undoes=None))
    return tuple(found)


def _scalers(deployments: Deployments) -> Iterator[Other]:
    """HorizontalPodAutoscalers: idle while replicas are 0, they move them once they are back."""
    for one in deployments.autoscalers():
        target = one.spec.scale_target_ref
        owners = [owner.kind for owner in one.metadata.owner_references or ()]
        if target.kind == "Deployment" and target.name in deployments.names:
            if "ScaledObject" in owners:
                continue  # told as KEDA's
            bounds = f"{one.spec.min_replicas or 1} to {one.spec.max_replicas}"
            yield Other(
                f"the autoscaler {one.metadata.name} sets the replicas of {target.name}, {bounds}: "
                "after a drill there may be others than before",
                undoes=False,
            )


def _keda(deployments: Deployments) -> Iterator[Other]:
    for one in deployments.custom("keda.sh", "v1alpha1", "scaledobjects"):
        spec, meta = one.get("spec", {}), one.get("metadata", {})
        target = spec.get("scaleTargetRef", {})
        if target.get("name") not in deployments.names:
            continue
        if target.get("kind", "Deployment") != "Deployment":
            continue
        said = f"KEDA's {meta.get('name')} sets the replicas of {target['name']}"
        paused = [name for name in KEDA_PAUSED if _on(meta.get("annotations") or {}, name)]
        if paused:
            yield Other(f"{said}, and is paused by {paused[0]}", undoes=False)
        else:
            yield Other(
                f"{said}, and raises them from 0 again: pause it for the drill ({KEDA_PAUSED[0]})",
                undoes=True,
            )


def _on(annotations: Mapping[str, str], name: str) -> bool:
    return str(annotations.get(name, "false")).lower() != "false"


def _gitops(deployments: Deployments) -> Iterator[Other]:
    """Argo CD and Flux, by their marks on the deployments and by Argo CD's own objects."""
    marks = {name: deployments.marks(name) for name in deployments.names}
    tracked = {name: _app(*marks[name]) for name in deployments.names if _app(*marks[name])}
    try:
        apps = deployments.custom("argoproj.io", "v1alpha1", "applications", everywhere=True)
        lost = ""
    except PortError as error:
        # Nobody may list them here: only marks tell, and what they do about replicas is unknown.
        apps, lost = [], str(error)
    for name in deployments.names:
        app = next((one for one in apps if _manages(one, deployments.namespace, name)), None)
        if app is None and name in tracked:
            app = next((one for one in apps if _name(one) == tracked[name]), None)
        if app is not None:
            yield _argo(name, app)
        elif name in tracked:
            why = lost or "no such Application is in this cluster"
            yield Other(
                f"Argo CD's {tracked[name]} manages {name}; whether it heals replicas is unknown: "
                f"{why}",
                undoes=None,
            )
        labels, notes = marks[name]
        if FLUX_LABEL in labels and notes.get(FLUX_OFF) != "disabled":
            yield Other(
                f"Flux's {labels[FLUX_LABEL]} manages {name}, and sets its source's replicas, if "
                f"it names any: suspend it for the drill, or annotate {FLUX_OFF}: disabled",
                undoes=None,
            )


LOOKS: Mapping[str, Callable[[Deployments], Iterator[Other]]] = {
    "an autoscaler": _scalers,
    "KEDA": _keda,
    "Argo CD or Flux": _gitops,
}


def _app(labels: Mapping[str, str], notes: Mapping[str, str]) -> str:
    """The Application that marks name; empty: none."""
    return notes.get(TRACKING_ID, "").partition(":")[0] or labels.get(TRACKING_LABEL, "")


def _name(app: Named) -> str:
    return str(app.get("metadata", {}).get("name", ""))


def _manages(app: Named, namespace: str, name: str) -> bool:
    """Whether an Application's status lists the deployment."""
    wanted = ("Deployment", namespace, name)
    listed: Sequence[Named] = app.get("status", {}).get("resources") or ()
    return any((one.get("kind"), one.get("namespace"), one.get("name")) == wanted for one in listed)


def _argo(name: str, app: Named) -> Other:
    spec = app.get("spec", {})
    automated = (spec.get("syncPolicy") or {}).get("automated")
    said = f"Argo CD's {_name(app)} manages {name}"
    if any(_ignores(one, name) for one in spec.get("ignoreDifferences") or ()):
        return Other(f"{said}, and ignores its replicas", undoes=False)
    if automated is None or automated.get("enabled") is False:
        return Other(f"{said}, and syncs by hand: no sync during a drill", undoes=False)
    if not automated.get("selfHeal"):
        return Other(f"{said}, and syncs by itself after a commit: none during a drill", False)
    return Other(
        f"{said}, and heals its replicas within seconds: turn selfHeal off for the drill, or "
        f"ignore {REPLICAS} (ignoreDifferences)",
        undoes=True,
    )


def _ignores(one: Named, name: str) -> bool:
    """Whether an entry of `ignoreDifferences` leaves that deployment's replicas alone."""
    if one.get("kind") not in ("Deployment", "*") or one.get("name") not in (None, "", name):
        return False
    paths = one.get("jqPathExpressions") or ()
    return REPLICAS in (one.get("jsonPointers") or ()) or ".spec.replicas" in paths
