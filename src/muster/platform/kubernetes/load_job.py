"""The Indexed Job in which a load runs, as the API server shows it.

What it runs is the drill's business. The object with the orders belongs to the Job, so the cluster
deletes it together with the Job, whoever deletes that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.kubernetes.cluster import Absent, Cluster, Conflict, Unanswered, kubectl_of
from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.kubernetes.kinds import CONFIG_MAPS, PODS, Kind
from muster.platform.kubernetes.rights import Right, missing, tried
from muster.platform.port import PortError
from muster.targets.kubernetes import ClusterAccess

JOBS = Kind("batch", "v1", "jobs", "Job")
DRILL = "muster.drill/id"
"""The annotation of the Job that names its drill."""
CONTROLLER = "batch.kubernetes.io/controller-uid"
_INDEX = "batch.kubernetes.io/job-completion-index"
GONE_S_MAX = 60.0
LOOK_S = 0.5
SILENT_S_MAX = 20.0
_GROWING = ("Waiting", "PodInitializing", "ContainerCreating")


@dataclass(frozen=True)
class PartPod:
    """The pod of a part, by its index from 0. `trouble`: what is wrong with it, as far as said."""

    index: int
    name: str
    uid: str
    node: str
    address: str
    phase: str
    ready: bool
    deleted: bool
    trouble: str

    @property
    def lives(self) -> bool:
        """Whether it runs, is ready, and nobody ends it."""
        return self.phase == "Running" and self.ready and not self.deleted

    @property
    def state(self) -> str:
        """Its state in a few words."""
        shown = "being deleted" if self.deleted else self.phase
        shown = f"{shown}, not ready" if self.phase == "Running" and not self.ready else shown
        return f"{shown}: {self.trouble}" if self.trouble else shown


class LoadJob:
    """The Job called `name` and its ConfigMap of the same name. Every method raises PortError."""

    def __init__(
        self, access: ClusterAccess, name: str, cluster: Cluster | None = None,
        clock: Clock = SYSTEM_CLOCK, uids: tuple[str, str] = ("", ""),
    ) -> None:  # fmt: skip
        """`uids`: of a running load's Job and orders; `create` sets them."""
        self._access = access
        self._made = cluster
        self._clock = clock
        self.name = name
        self.namespace = access.namespace
        self.uid, self._orders_uid = uids

    @property
    def subject(self) -> str:
        """As a person would look it up."""
        return f"Job {self.name} in namespace {self.namespace}"

    @property
    def uids(self) -> tuple[str, str]:
        """Of the Job and of the object with its orders, as created."""
        return self.uid, self._orders_uid

    @property
    def cluster(self) -> Cluster:
        """Made at the first call: its constructor reads the kubeconfig."""
        if self._made is None:
            self._made = Cluster(self._access, self._clock)
        return self._made

    def create(self, job: Json, orders: Callable[[str], Json]) -> None:
        """Create the Job, and then the object that `orders` makes for its uid."""
        try:
            made = self.cluster.post(JOBS.path(self.namespace), job)
        except Conflict as error:
            raise Conflict(f"{error}: another drill's load, or what is left of one") from error
        self.uid = text(made, "metadata", "uid")
        told = self.cluster.post(CONFIG_MAPS.path(self.namespace), orders(self.uid))
        self._orders_uid = text(told, "metadata", "uid")

    def tell(self, data: Mapping[str, str]) -> None:
        """Set these keys of the orders."""
        # Whoever slept must not give orders to the next drill's load, which has the same name: the
        # API server refuses a change of another uid.
        if not self._orders_uid:
            raise PortError(f"{self.subject}: whose orders they would be is unknown: none is given")
        change = {"metadata": {"uid": self._orders_uid}, "data": data}
        self.cluster.patch(CONFIG_MAPS.path(self.namespace, self.name), change)

    def pods(self) -> list[PartPod]:
        """The Job's pods, by index; not those of another Job of that name."""
        if not self.uid:
            raise PortError(f"{self.subject}: which of that name is meant is unknown")
        chosen = f"{CONTROLLER}={self.uid}"
        found = self.cluster.items(PODS.path(self.namespace), labelSelector=chosen)
        return sorted(map(_part, found), key=lambda one: (one.index, one.deleted, one.name))

    def lines(self, pod: str, since: str = "") -> Iterator[bytes]:
        """What a pod has written and goes on to write, from `since` (RFC 3339) on."""
        query = {"follow": "true", "container": "load"} | ({"sinceTime": since} if since else {})
        return self.cluster.lines(f"{PODS.path(self.namespace, pod)}/log", SILENT_S_MAX, **query)

    def drill(self) -> str | None:
        """The drill to which the Job belongs; None if there is no Job."""
        try:
            found = self._found()
        except Absent:
            return None
        return str(mapping(found, "metadata", "annotations").get(DRILL, ""))

    def delete(self, drill_id: str) -> None:
        """Delete the Job of that drill with its pods, and wait until they are gone.

        Another drill's is left. An API server that does not answer is asked again for
        `GONE_S_MAX`; calling this again changes nothing.
        """
        end_s = self._clock.monotonic_s() + GONE_S_MAX
        while True:
            try:
                left = self._delete_once(drill_id)
            except (Unanswered, Conflict) as error:
                left = str(error)
            if not left:
                return
            if self._clock.monotonic_s() > end_s:
                raise PortError(f"{self.subject} is not gone after {GONE_S_MAX:g} s: {left}")
            self._clock.sleep(LOOK_S)

    def _delete_once(self, drill_id: str) -> str:
        """What is still there of it."""
        try:
            found = self._found()
        except Absent:
            return ""
        meta = mapping(found, "metadata")
        if mapping(meta, "annotations").get(DRILL) != drill_id:
            return ""
        if not meta.get("deletionTimestamp"):
            options = {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                # The Job is gone once its pods are.
                "propagationPolicy": "Foreground",
                "preconditions": {"uid": text(meta, "uid")},
            }
            try:
                self.cluster.delete(JOBS.path(self.namespace, self.name), options)
            except Absent:
                return ""
        return "its pods have not ended"

    def command(self) -> str:
        """The line by which a person deletes it."""
        return " ".join(
            [*kubectl_of(self._access), "delete", "job", self.name, "--cascade=foreground"]
        )

    def refusals(self, job: Json, orders: Json) -> tuple[str, ...]:
        """What the cluster would refuse of the load, a line each; nothing is changed."""
        where = self.namespace
        wanted = (
            Right("create", JOBS, where), Right("get", JOBS, where, name=self.name),
            Right("delete", JOBS, where, name=self.name), Right("create", CONFIG_MAPS, where),
            Right("patch", CONFIG_MAPS, where, name=self.name), Right("list", PODS, where),
            Right("get", PODS, where, sub="log"),
        )  # fmt: skip
        if lines := tuple(missing(self.cluster, wanted)):
            return lines
        if (drill := self.drill()) is not None:
            whose = f"of drill {drill}" if drill else "that no drill has made"
            return (f"{self.subject} exists, {whose}: recover that drill, or delete it",)
        made = ((JOBS, "the Job of the load", job), (CONFIG_MAPS, "the load's ConfigMap", orders))
        return tuple(
            line for kind, what, body in made for line in tried(what, self._dry(kind, body))
        )

    def rehearse_revert(self) -> tuple[str, ...]:
        """Which rights to delete the Job are missing, a line each; it may run as this is asked."""
        wanted = (Right(v, JOBS, self.namespace, name=self.name) for v in ("get", "delete"))
        return tuple(missing(self.cluster, wanted))

    def _dry(self, kind: Kind, body: Json) -> Callable[[], object]:
        path = kind.path(self.namespace)
        return lambda: self.cluster.post(path, body, dry_run=True)

    def _found(self) -> Json:
        return self.cluster.get(JOBS.path(self.namespace, self.name))


def _part(found: Json) -> PartPod:
    meta, status = mapping(found, "metadata"), mapping(found, "status")
    index = str(mapping(meta, "annotations").get(_INDEX, ""))
    if not index.isdigit():
        raise PortError(f"Kubernetes: pod {text(meta, 'name')} of the Job has no {_INDEX}")
    conditions = {one.get("type"): one for one in each(status, "conditions")}
    return PartPod(
        int(index),
        text(meta, "name"),
        text(meta, "uid"),
        text(found, "spec", "nodeName", absent=""),
        text(status, "podIP", absent=""),
        text(status, "phase", absent="Pending"),
        conditions.get("Ready", {}).get("status") == "True",
        meta.get("deletionTimestamp") is not None,
        _trouble(status, conditions),
    )


def _trouble(status: Json, conditions: Mapping[Any, Json]) -> str:
    """What the scheduler and the kubelet say of a pod that does not run as it should."""
    said = [_words(status)]
    scheduled = conditions.get("PodScheduled", {})
    said.append(_words(scheduled) if scheduled.get("status") == "False" else "")
    for one in each(status, "containerStatuses"):
        waiting = mapping(one, "state", "waiting")
        ended = mapping(one, "state", "terminated")
        said.append("" if waiting.get("reason") in _GROWING else _words(waiting))
        if ended:
            said.append(f"exit code {ended.get('exitCode')} {_words(ended)}".strip())
    return "; ".join(one for one in said if one)


def _words(found: Json) -> str:
    words = (str(found.get(key) or "") for key in ("reason", "message"))
    return " ".join(" ".join(": ".join(one for one in words if one).split())[:200].split())
