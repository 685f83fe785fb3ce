"""Workloads of one namespace, of any kind with the subresource `/scale`: their state, and scaling.

A change carries the version of what was read, so that the API server refuses a call that timed out
and arrives after a later one. Before each repetition the state is read again. What the API server
refuses (`Refused`) is not repeated; all else is, until the time is over.

Where it is known which workloads are meant, each read of one is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from muster import effects
from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.kubernetes.changes import LOOK_APART_S, Shown, changes
from muster.platform.kubernetes.cluster import Absent, Cluster, Conflict, Refused, Unanswered
from muster.platform.kubernetes.fields import Json, mapping, text, whole_number
from muster.platform.kubernetes.kinds import KNOWN, PODS, Kind, Kinds
from muster.platform.kubernetes.known import Known
from muster.platform.kubernetes.pods import Pod, Pods
from muster.platform.port import PortError
from muster.targets.kubernetes import ClusterAccess

AGAIN_S = 0.5
AT_ONCE = 16
KILL_GRACE_S = 1
"""Without any, the API server forgets a pod at once, while the kubelet gives its processes 2 s all
the same: a region would be dark that still serves. With some, it waits for the kubelet's word.
"""
REPLACED_LOOKS, REPLACED_APART_S = 4, 0.1
"""Looks for replacements right after a loss, in which controllers make them."""


@dataclass(frozen=True)
class Workload:
    """A workload as the target names it, `deployment/gateway`, and where it is."""

    said: str
    kind: Kind
    name: str


@dataclass(frozen=True)
class Scale:
    """`asked`: replicas that somebody wants. `version` and `uid`: of the object that was read."""

    asked: int
    selector: str
    version: str
    uid: str


T = TypeVar("T")
Wish = Callable[[str, int], int | None]
"""The replicas that a workload should have, from its name and those asked for now; None: these."""


class Workloads:
    """The workloads called `names`. Creating it reads the kubeconfig and raises PortError.

    Every method raises PortError. `cut_at_s`: when the last kill began to delete pods, since the
    epoch; its reads come first, and cut nothing.
    """

    def __init__(
        self, access: ClusterAccess, names: Sequence[str], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.namespace = access.namespace
        self.names = tuple(names)
        self.known: Known | None = None
        self.cluster = Cluster(access, clock)
        self.kinds = Kinds(self.cluster)
        self.cut_at_s: float | None = None
        self._pods = Pods(self.cluster, self.namespace, self.kinds)
        self._clock = clock

    def workload(self, said: str) -> Workload:
        """Where the workload that the target calls `said` stands."""
        kind, _, name = said.partition("/")
        return Workload(said, self.kinds.named(kind), name)

    def path(self, said: str, sub: str = "") -> str:
        """The path of a workload, or of one of its subresources."""
        one = self.workload(said)
        return one.kind.path(self.namespace, f"{one.name}{sub}")

    def scale_of(self, said: str) -> Scale:
        """What one workload is asked for."""
        return _scale(self._read(said, "/scale"))

    def _read(self, said: str, sub: str = "") -> Json:
        found = self.cluster.get(self.path(said, sub))
        if self.known is not None:
            self.known.check(said, found)
        return found

    def identify(self) -> Known:
        """Which workloads these are, read now; from now on they are meant. Raises PortError."""
        uids = {name: one.uid for name, one in self._scales().items()}
        self.known = Known.now(uids, self.cluster, self._clock)
        return self.known

    def asked(self) -> dict[str, int]:
        """The replicas that are asked for, by workload."""
        return {name: one.asked for name, one in self._scales().items()}

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """The replicas that are asked for, and the available ones, by workload."""
        found = {name: self._count(name) for name in self.names}
        asked = {name: asked for name, (asked, _) in found.items()}
        return asked, {name: available for name, (_, available) in found.items()}

    def _count(self, said: str) -> tuple[int, int]:
        """Replicas asked for and available; none while the status is an earlier generation's."""
        found = self._read(said)
        own = said.partition("/")[0] in KNOWN
        # Of another kind only the scale says where the number stands.
        asked = whole_number(found, "spec", "replicas") if own else self.scale_of(said).asked
        # A kind that does not show it must not count as one without any. One that has shown it
        # before, as `known`, may leave it out while there are none.
        shows = own or (self.known is not None and said in self.known.uids)
        return asked, _available_of(found, absent=0 if shows else None)

    def pods(self) -> dict[str, tuple[int, Sequence[Pod]]]:
        """By workload the replicas that are asked for, and its pods with the terminating ones."""
        found: dict[str, tuple[int, Sequence[Pod]]] = {}
        for name, scale in self._scales().items():
            found[name] = scale.asked, self._pods.of(scale.selector, scale.uid)
        return found

    def shown(self) -> list[tuple[str, Pod, Json]]:
        """Every pod that is a workload's own: the workload, the pod, and what the API shows."""
        found = []
        for name, scale in self._scales().items():
            pods = self._pods.shown(scale.selector, scale.uid)
            found += [(name, pod, one) for pod, one in pods if pod.ours]
        return found

    def set(self, wish: Wish, until_s: float) -> None:
        """Scale every workload as `wish` says, until the API server holds it so."""
        self.repeat(self.names, lambda name: self._one_set(name, wish), until_s)

    def repeat(self, names: Sequence[str], change: Callable[[str], bool], until_s: float) -> None:
        """Make `change` for each of `names`, again until it shows or the API server refuses it.

        `change`: whether it shows, read after it. `until_s`: on the monotonic clock. One that
        cannot be changed does not prevent the others.
        """
        left = list(names)
        refused: dict[str, str] = {}
        while True:
            missed: dict[str, str] = {}
            for name in left:
                try:
                    if not change(name):
                        missed[name] = "another change was faster"
                except Refused as error:
                    refused[name] = str(error)
                except (Conflict, Unanswered) as error:
                    missed[name] = str(error)
            left = list(missed)
            if not left:
                break
            if self._clock.monotonic_s() + AGAIN_S > until_s:
                refused.update(missed)
                break
            self._clock.sleep(AGAIN_S)
        if refused:
            raise PortError("; ".join(f"{name}: {said}" for name, said in refused.items()))

    def insist(self, call: Callable[[], T], until_s: float) -> T:
        """What `call` returns; where no usable answer comes, it is asked again until then."""
        while True:
            try:
                return call()
            except Unanswered:
                if self._clock.monotonic_s() + AGAIN_S > until_s:
                    raise
            self._clock.sleep(AGAIN_S)

    def _one_set(self, said: str, wish: Wish) -> bool:
        """Whether the workload is asked for as `wish` says, by what the API server then holds."""
        seen = self.scale_of(said)
        wanted = wish(said, seen.asked)
        if wanted is None or wanted == seen.asked:
            return True
        change = {"metadata": {"resourceVersion": seen.version}, "spec": {"replicas": wanted}}
        shown = _scale(self.cluster.patch(self.path(said, "/scale"), change)).asked
        return shown == wanted or wish(said, shown) in (None, shown)

    def await_gone(self, until_s: float) -> None:
        """Wait until no pod is left, or until the time is over: the proof decides."""
        pods = PODS.path(self.namespace)
        with changes(self.cluster, [pods], self._clock) as told, suppress(Unanswered):
            scales = self.insist(self._scales, until_s)
            left: dict[str, set[str]] = {name: set() for name in scales}
            while True:
                with suppress(Unanswered):
                    for name in tuple(left):
                        found = self._pods.of(scales[name].selector, scales[name].uid)
                        left[name] = {f"{pods}/{pod.name}" for pod in found}
                        if not found:
                            del left[name]
                if not left or self._clock.monotonic_s() >= until_s:
                    return
                told.wait(partial(_deleted, set().union(*left.values())), until_s)

    def await_available(self, wanted: Mapping[str, int], until_s: float) -> None:
        """Wait until each has as many replicas available as `wanted` says."""
        kinds = {self.workload(name).kind.path(self.namespace) for name in wanted}
        short = dict(wanted)
        with changes(self.cluster, kinds, self._clock) as told:
            while True:
                try:
                    found = {name: self._count(name)[1] for name in short}
                    short = {name: n for name, n in short.items() if found[name] < n}
                    if not short:
                        return
                    said = ", ".join(f"{name} {found[name]} of {n}" for name, n in short.items())
                except Unanswered as error:
                    said = str(error)
                if self._clock.monotonic_s() > until_s:
                    raise PortError(f"not available in time: {said}")
                there = {self.path(name): count for name, count in short.items()}
                told.wait(partial(_available, there), until_s)

    def kill(self, until_s: float) -> None:
        """Delete every pod, all at once, then scale to 0, then delete what came in their place.

        The pods are deleted first: scaled to 0 they would begin their grace period, and a later
        deletion would only hide them while they still serve.
        """
        scales = self.insist(self._scales, until_s)
        pods = {name: self.insist(partial(self._own, one), until_s) for name, one in scales.items()}
        with self.cluster.at_once(), ThreadPoolExecutor(len(pods)) as pool:
            self.cut_at_s = self._clock.now_s()
            lost = effects.carried(self._lost)
            started = [pool.submit(lost, name, scales[name], pods[name], until_s) for name in pods]
            for done in started:
                done.result()
        self.set(lambda name, asked: 0, until_s)

        def left() -> list[Pod]:
            return [pod for one in scales.values() for pod in self._own(one)]

        while found := self.insist(left, until_s):
            self.delete(found, until_s)
            if self._clock.monotonic_s() > until_s:
                raise PortError(f"pods are left: {', '.join(sorted(one.name for one in found))}")
            self._clock.sleep(LOOK_APART_S)

    def _lost(self, name: str, scale: Scale, pods: Sequence[Pod], until_s: float) -> None:
        """Delete one workload's pods, ask for no replicas, and delete what came in their place.

        Controllers replace a deleted pod within milliseconds, and a replacement whose container
        already starts runs and serves before its kubelet ends it. So no read lies in between.
        Whether no replicas are asked for is read, and asked for again, afterwards.
        """
        self.delete(pods, until_s)
        with suppress(Conflict, Refused, Unanswered):
            self.cluster.patch(self.path(name, "/scale"), {"spec": {"replicas": 0}})
        told = {pod.uid for pod in pods}
        for _ in range(REPLACED_LOOKS):
            with suppress(Unanswered):
                new = [pod for pod in self._own(scale) if pod.uid not in told]
                self.delete(new, until_s)
                told |= {pod.uid for pod in new}
            self._clock.sleep(REPLACED_APART_S)

    def _own(self, scale: Scale) -> list[Pod]:
        """The pods of one workload, by its selector and owner as `scale` named them."""
        return [pod for pod in self._pods.of(scale.selector, scale.uid) if pod.ours]

    def _scales(self) -> dict[str, Scale]:
        return {name: self.scale_of(name) for name in self.names}

    def delete(self, pods: Sequence[Pod], until_s: float) -> None:
        """Delete exactly these pods, all at once, with `KILL_GRACE_S`."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            deleted = effects.carried(self._deleted)
            for done in [pool.submit(deleted, pod, until_s) for pod in pods]:
                done.result()

    def _deleted(self, pod: Pod, until_s: float) -> None:
        path, options = PODS.path(self.namespace, pod.name), forced(pod)
        # By its uid: a pod of the same name that took its place is looked at again first.
        with suppress(Absent, Conflict):
            self.insist(lambda: self.cluster.delete(path, options), until_s)


def _available_of(found: Json, absent: int | None) -> int:
    """The replicas that are available; none while the status is an earlier generation's."""
    generation = whole_number(found, "metadata", "generation", absent=0)
    status = mapping(found, "status")
    observed = status.get("observedGeneration", generation)
    # Argo Rollouts writes it as a text.
    if isinstance(observed, str) and observed.isdecimal():
        status = {**status, "observedGeneration": int(observed)}
    if whole_number(status, "observedGeneration", absent=generation) < generation:
        return 0
    return whole_number(found, "status", "availableReplicas", absent=absent)


def _deleted(paths: Collection[str], shown: Shown) -> bool:
    """Whether a watch has told that each of these objects was deleted."""
    return bool(paths) and all(shown.get(path, {}) is None for path in paths)


def _available(wanted: Mapping[str, int], shown: Shown) -> bool:
    """Whether a watch has told that each workload, by its path, has so many replicas available."""
    return all(_available_of(shown.get(path) or {}, 0) >= n for path, n in wanted.items())


def _scale(found: Json) -> Scale:
    return Scale(
        whole_number(found, "spec", "replicas", absent=0),
        text(found, "status", "selector", absent=""),
        text(found, "metadata", "resourceVersion"),
        text(found, "metadata", "uid"),
    )


def forced(pod: Pod) -> dict[str, object]:
    """The options that delete exactly this pod, with the least grace whose end is confirmed."""
    return {"gracePeriodSeconds": KILL_GRACE_S, "preconditions": {"uid": pod.uid}}
