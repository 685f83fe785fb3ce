"""Rolls a release out whose pods cannot serve, by the workload's own strategy, and rolls it back.

Only the pod template is changed: its containers get a readiness probe that always fails, or an
image that cannot be pulled, and the pods a mark. A platform whose strategy keeps the old pods until
new ones are ready goes on. To make running pods unready instead would not be undoable: the kubelet
writes their conditions itself, and their probes cannot be changed.

The undo log holds no template, because a template may hold secrets: the ReplicaSet of the release
before is the copy, and the log has its name and a digest.

If somebody else releases meanwhile, his template stays. Most tools merge: what they set stands in
the drill's own template then, with its mark. So the flaw alone is taken back, container by
container, and everything else that stands there is left and told.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.cluster.model import Back, Before, Flaw
from muster.platform.cluster.on_workloads import OnWorkloads
from muster.platform.kubernetes.cluster import Absent, Conflict, Unanswered, kubectl_of
from muster.platform.kubernetes.fields import Json, each, mapping, text, whole_number
from muster.platform.kubernetes.kinds import REPLICASETS
from muster.platform.kubernetes.others import healed
from muster.platform.kubernetes.pods import is_ready
from muster.platform.kubernetes.rehearsal import reading
from muster.platform.kubernetes.rights import Right, missing, tried
from muster.platform.kubernetes.rollout import unfinished
from muster.platform.port import Change, PortError, Proof, Unusable
from muster.targets.cluster import KubernetesCluster

MARK = "muster/flawed-release"
"""The annotation of a flawed template, and of its pods: the drill's own token."""
HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
IMAGE = "muster.invalid/no-such-image:drill"
"""Of a top-level domain that never resolves (RFC 2606)."""
IMAGE_NAME = "no-such-image:drill"
"""What an admission webhook that sets another registry leaves of it."""
NEVER_READY: dict[str, Any] = {
    "exec": {"command": ["/muster/readiness-is-broken-by-a-drill"]},
    "periodSeconds": 5,
    "failureThreshold": 1,
}
"""Needs no program in the image, and no network that a mesh could answer for."""
PULL_ERRORS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})
RELEASED, TOKEN = "released", "mark"
"""The keys of `before`."""
FLAWED: Mapping[Flaw, str] = {"readiness": "readinessProbe", "image": "image"}
"""The one key of a container that a flaw changes."""


class FlawedRelease(OnWorkloads):
    """A release of the target's deployments that has a flaw."""

    def __init__(
        self,
        region: str,
        settings: KubernetesCluster,
        clock: Clock = SYSTEM_CLOCK,
        flaw: Flaw = "readiness",
    ) -> None:
        super().__init__(region, settings, clock)
        self._flaw = flaw

    @property
    def names(self) -> tuple[str, ...]:
        """The workloads that get the release."""
        return self.settings.released or self.settings.workloads

    def unusable(self) -> Unusable | None:
        key = "released" if self.settings.released else "workloads"
        if any(not name.startswith("deployment/") for name in self.names):
            return Unusable(key, list(self.names), "deployments alone: their last release is kept")
        if not set(self.names) <= set(self.settings.workloads):
            wanted = f"some of workloads: {', '.join(self.settings.workloads)}"
            return Unusable(key, list(self.names), wanted)
        return None

    def rehearse(self) -> tuple[str, ...]:
        where = self.settings.namespace
        needed = [*reading(self.workloads), Right("list", REPLICASETS, where), *self._to_patch()]
        if lines := tuple(missing(self.workloads.cluster, needed)):
            return lines
        return (
            *(said for name in self.names for said in self._refused(name)),
            *healed(self.workloads, self.names),
        )

    def rehearse_revert(self) -> tuple[str, ...]:
        needed = [*self.to_see_whole(), *self._to_patch()]
        return tuple(missing(self.workloads.cluster, needed))

    def _to_patch(self) -> list[Right]:
        released = map(self.workloads.workload, self.names)
        where = self.settings.namespace
        return [Right("patch", one.kind, where, name=one.name) for one in released]

    def _refused(self, name: str) -> Iterator[str]:
        found = self._read(name)
        own = _containers(_template(found))
        for what, containers in (("releasing", self._flawed(own)), ("rolling back", own)):
            change = partial(self._patched, name, found, containers, "dry-run", dry_run=True)
            yield from tried(f"{what} {name}", change)

    def change(self) -> Change:
        shown = ", ".join(f"{name} {_strategy(self._read(name))}" for name in self.names)
        return Change(f"released: {shown}", f"a release whose {WRONG[self._flaw]}")

    def before(self) -> dict[str, Any]:
        whole = super().before()
        released = {name: self._release_of(name) for name in self.names}
        return {**whole, RELEASED: released, TOKEN: uuid.uuid4().hex[:12]}

    def apply(self, before: Before) -> None:
        self.told(before)
        names = tuple(before[RELEASED])
        self.workloads.repeat(names, lambda name: self._one_flawed(name, before), self.until_s())

    def look(self, before: Before) -> Proof:
        self.told(before)
        said: dict[str, list[str]] = {name: [] for name in before[RELEASED]}
        shows, another = dict.fromkeys(said, False), ""
        for name, release in before[RELEASED].items():
            template = _template(self._read(name))
            if _mark(template) != before[TOKEN]:
                another = f"{name}: the drill's release was replaced by another one"
            elif not self._only_flawed(template, release):
                another = f"{name}: somebody else has changed the drill's release"
        for name, pod, one in self.workloads.shown():
            if name in said and _mark(one) == before[TOKEN]:
                seen, how = LOOKS[self._flaw](one)
                said[name].append(f"{pod.name} {how}")
                shows[name] = (shows[name] or seen) and not is_ready(one)
        why = "; ".join(f"{name}: {', '.join(pods) or 'no new pod'}" for name, pods in said.items())
        facts = {"flaw": self._flaw, "pods": {name: len(pods) for name, pods in said.items()}}
        return Proof(all(shows.values()) and not another, why, facts, another)

    def revert(self, before: Before) -> None:
        self.told(before)
        until_s = self.until_s()
        names = tuple(before[RELEASED])
        self.workloads.repeat(names, lambda name: self._one_back(name, before), until_s)
        while said := self._unfinished(before):
            if not self.pause(until_s):
                raise PortError(f"not rolled back in {self.timeout_s:g} s: {said}")
        self.await_whole(before, until_s)

    def state(self, before: Before) -> Back:
        self.told(before)
        expected, shown = self.replicas(before)
        whole, others = shown == expected, []
        expected += ", released as before"
        for name, release in before[RELEASED].items():
            found = self._read(name)
            template = _template(found)
            if _digest(template) == release["template"]:
                said = _unrolled(found)
            elif self._left(template, before):
                said = "the drill's release is still there"
            else:
                said = ""
                others.append(f"{name}: somebody else has released another template")
            if said:
                whole, shown = False, f"{shown}, {name}: {said}"
        if whole:
            shown += ", released as before"
        return Back(expected, shown, whole, "; ".join(others))

    def command(self, before: Before) -> str | None:
        self.told(before)
        kubectl = kubectl_of(self.settings)
        return "; ".join(
            line(*kubectl, "rollout", "undo", name, f"--to-revision={release['revision']}")
            for name, release in before[RELEASED].items()
        )

    def _release_of(self, name: str) -> dict[str, str]:
        """The ReplicaSet of the present release. Raises PortError if it could not be rolled
        back.
        """
        found = self._read(name)
        if mapping(found, "spec").get("paused") is True:
            raise PortError(f"{name}: its rollouts are paused: nothing would be rolled out")
        if whole_number(found, "spec", "revisionHistoryLimit", absent=10) < 1:
            raise PortError(f"{name}: revisionHistoryLimit is 0: nothing could be rolled back to")
        if said := unfinished(found):
            raise PortError(f"{name}: a rollout is under way: {said}")
        template, uid = _template(found), text(found, "metadata", "uid")
        for one in self.workloads.cluster.items(REPLICASETS.path(self.settings.namespace)):
            owners = each(one, "metadata", "ownerReferences")
            if any(owner.get("uid") == uid for owner in owners) and _same(one, template):
                return {
                    "replicaset": text(one, "metadata", "name"),
                    "revision": text(one, "metadata", "annotations", REVISION, absent="0"),
                    "template": _digest(template),
                    "rest": self._rest(template),
                }
        raise PortError(f"{name}: no ReplicaSet holds its present template")

    def _one_flawed(self, name: str, before: Before) -> bool:
        """Whether the flawed template stands there, read after the change."""
        found = self._read(name)
        template = _template(found)
        if _mark(template) == before[TOKEN]:
            return True
        if _digest(template) != before[RELEASED][name]["template"]:
            raise PortError(f"{name}: somebody else has released another template meanwhile")
        self._patched(name, found, self._flawed(_containers(template)), before[TOKEN])
        return bool(_mark(_template(self._read(name))) == before[TOKEN])

    def _one_back(self, name: str, before: Before) -> bool:
        """Whether nothing of the drill's release is asked for, read after the change."""
        found = self._read(name)
        template = _template(found)
        if not self._left(template, before):
            return True
        containers = _containers(template)
        if any(map(self._has_flaw, containers)):
            containers = self._unflawed(name, containers, before[RELEASED][name]["replicaset"])
        self._patched(name, found, containers, None)
        return not self._left(_template(self._read(name)), before)

    def _left(self, template: Json, before: Before) -> bool:
        """Whether something of the drill's release stands there."""
        if (mark := _mark(template)) is not None:
            return bool(mark == before[TOKEN])
        return any(map(self._has_flaw, _containers(template)))

    def _unflawed(self, name: str, containers: list[Json], kept: str) -> list[Json]:
        """The containers without the flaw; all else is as it stands there. Raises PortError."""
        path, key = REPLICASETS.path(self.settings.namespace, kept), FLAWED[self._flaw]
        try:
            own = _containers(_template(self.workloads.cluster.get(path)))
        except Absent as error:
            raise PortError(f"{name}: its ReplicaSet {kept} is gone: release it anew") from error
        before = {text(one, "name"): one for one in own}
        found = []
        for one in containers:
            if self._has_flaw(one):
                called = text(one, "name")
                if called not in before:
                    raise PortError(f"{name}: container {called} is new: release it anew")
                one = {at: value for at, value in one.items() if at != key}
                one |= {key: before[called][key]} if key in before[called] else {}
            found.append(one)
        return found

    def _has_flaw(self, container: Json) -> bool:
        if self._flaw == "image":
            return bool(text(container, "image", absent="").endswith(IMAGE_NAME))
        command = mapping(container, "readinessProbe", "exec").get("command")
        return bool(command == NEVER_READY["exec"]["command"])

    def _only_flawed(self, template: Json, release: Mapping[str, str]) -> bool:
        """Whether the template differs from the release before by the flaw and the mark alone."""
        # Logs of before the rest was kept tell nothing of it.
        rest = release.get("rest") in (None, self._rest(template))
        return rest and all(map(self._has_flaw, _containers(template)))

    def _rest(self, template: Json) -> str:
        """A digest of what a flaw does not change."""
        key = FLAWED[self._flaw]
        spec = {**mapping(template, "spec")}
        spec["containers"] = [
            {at: value for at, value in one.items() if at != key} for one in _containers(template)
        ]
        meta = {**mapping(template, "metadata")}
        notes = mapping(meta, "annotations")
        meta["annotations"] = {at: value for at, value in notes.items() if at != MARK}
        return _digest({**template, "metadata": meta, "spec": spec})

    def _unfinished(self, before: Before) -> str:
        """What of the drill's own rollbacks is not done yet; empty if all are."""
        try:
            for name, release in before[RELEASED].items():
                found = self._read(name)
                if _digest(_template(found)) == release["template"] and (said := _unrolled(found)):
                    return f"{name}: {said}"
        except (Conflict, Unanswered) as error:
            return str(error)
        return ""

    def _flawed(self, containers: list[Json]) -> list[Json]:
        flaw = {"image": IMAGE} if self._flaw == "image" else {"readinessProbe": NEVER_READY}
        return [{**one, **flaw} for one in containers]

    def _patched(
        self,
        name: str,
        found: Json,
        containers: list[Json],
        mark: str | None,
        *,
        dry_run: bool = False,
    ) -> None:
        """Set the containers and the mark of its template (None: none), if it is still as read."""
        template = {"metadata": {"annotations": {MARK: mark}}, "spec": {"containers": containers}}
        body = {
            "metadata": {"resourceVersion": text(found, "metadata", "resourceVersion")},
            "spec": {"template": template},
        }
        self.workloads.cluster.patch(self.workloads.path(name), body, dry_run=dry_run)

    def _read(self, name: str) -> Json:
        return self.workloads.cluster.get(self.workloads.path(name))


WRONG: Mapping[Flaw, str] = {
    "readiness": "pods never become ready",
    "image": "image cannot be pulled",
}


def _never_ready(pod: Json) -> tuple[bool, str]:
    """Whether the pod runs and is not ready, and how it is, in words."""
    if is_ready(pod):
        return False, "became ready: its probe was not asked"
    statuses = each(pod, "status", "containerStatuses")
    runs = bool(statuses) and all("running" in mapping(one, "state") for one in statuses)
    return runs, "runs and is not ready" if runs else f"is {_phase(pod)}"


def _not_pulled(pod: Json) -> tuple[bool, str]:
    """Whether the pod waits for its image in vain, and how it is, in words."""
    if is_ready(pod):
        return False, "became ready: its image was not pulled"
    reasons = {
        text(one, "state", "waiting", "reason", absent="")
        for one in each(pod, "status", "containerStatuses")
    }
    found = sorted(reasons & PULL_ERRORS)
    return bool(found), f"waits: {found[0]}" if found else f"is {_phase(pod)}"


LOOKS = {"readiness": _never_ready, "image": _not_pulled}


def _phase(pod: Json) -> str:
    return text(pod, "status", "phase", absent="unknown")


def _template(found: Json) -> Json:
    return mapping(found, "spec", "template")


def _containers(template: Json) -> list[Json]:
    return each(template, "spec", "containers")


def _mark(found: Json) -> str | None:
    mark = mapping(found, "metadata", "annotations").get(MARK)
    return mark if isinstance(mark, str) else None


def _strategy(found: Json) -> str:
    strategy = mapping(found, "spec", "strategy")
    rolling = mapping(strategy, "rollingUpdate")
    kept = "".join(f", {key} {value}" for key, value in sorted(rolling.items()))
    return f"({text(strategy, 'type', absent='RollingUpdate')}{kept})"


def _unrolled(found: Json) -> str:
    """Why the rollout of a deployment is not done; empty if it is."""
    try:
        return unfinished(found)
    except PortError as error:
        # Its deadline may be that of the flawed release, until the controller has looked.
        return str(error)


def _same(replicaset: Json, template: Json) -> bool:
    return _digest(_template(replicaset)) == _digest(template)


def _digest(template: Json) -> str:
    """A template's digest, without what a controller adds. Equal digests: equal templates."""
    written = json.dumps(_plain(template), sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _plain(one) for key, one in value.items() if key != HASH_LABEL}
        return {key: one for key, one in kept.items() if one not in (None, {})}
    return [_plain(one) for one in value] if isinstance(value, list) else value
