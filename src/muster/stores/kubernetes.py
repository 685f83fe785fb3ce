"""A store of ConfigMaps. Source: Kubernetes API conventions, "Concurrency control and consistency".

A change carries the resource version that it replaces, and a removal has it as a precondition, so
the API server refuses whoever names an outdated one. A read without a resource version is answered
from the newest state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from muster.clock import SYSTEM_CLOCK
from muster.platform.kubernetes import cluster as api
from muster.platform.kubernetes.kinds import CONFIG_MAPS
from muster.platform.kubernetes.rights import Right, missing
from muster.platform.port import PortError
from muster.stores.model import Conflict, Store, Stored, StoreError
from muster.targets.shared import SharedKubernetes

T = TypeVar("T")
VERBS = ("get", "list", "create", "patch", "delete")
ATTEMPTS_MAX = 3
"""Tries of one call that the API server did not serve."""
APART_S = 0.2
LABEL = {"app.kubernetes.io/managed-by": "muster"}
TEXT_CHARS_MAX = 100_000
"""Far more than any record needs; a ConfigMap holds 1 MiB."""


class ConfigMapStore(Store):
    """Values as ConfigMaps. Keys have signs that no name may have: a hash of the key is the name.

    `data` has the key and the text, for people too.
    """

    def __init__(self, settings: SharedKubernetes) -> None:
        self.settings = settings
        self._base = f"/api/v1/namespaces/{settings.namespace}/configmaps"
        self._reached: api.Cluster | None = None

    def read(self, key: str) -> Stored | None:
        try:
            found = _asked(lambda: self._cluster.get(self._path(key)))
        except _Absent:
            return None
        return _stored(found, key)

    def under(self, prefix: str) -> tuple[Stored, ...]:
        selector = ",".join(f"{key}={value}" for key, value in LABEL.items())
        found = _asked(lambda: self._cluster.items(self._base, labelSelector=selector))
        stored = (_stored(one) for one in found)
        return tuple(one for one in stored if one.key.startswith(f"{prefix}/"))

    def rehearse(self) -> tuple[str, ...]:
        needed = [Right(verb, CONFIG_MAPS, self.settings.namespace) for verb in VERBS]
        return _asked(lambda: tuple(missing(self._cluster, needed)))

    def _put(self, key: str, text: str, old: Stored | None) -> None:
        if len(text) > TEXT_CHARS_MAX:
            raise StoreError(f"{key}: a ConfigMap of the store can not hold {len(text)} characters")
        data = {"key": key, "text": text}
        if old is None:
            body = {"metadata": {"name": _name(key), "labels": LABEL}, "data": data}
            _asked(lambda: self._cluster.post(self._base, body))
            return
        change = {"metadata": {"resourceVersion": old.version}, "data": data}
        try:
            _asked(lambda: self._cluster.patch(self._path(key), change))
        except _Absent as error:
            raise Conflict(f"{key}: it is gone") from error

    def _delete(self, old: Stored) -> None:
        options = {"preconditions": {"resourceVersion": old.version}}
        try:
            _asked(lambda: self._cluster.delete(self._path(old.key), options))
        except _Absent:
            return

    def _path(self, key: str) -> str:
        return f"{self._base}/{_name(key)}"

    @property
    def _cluster(self) -> api.Cluster:
        if self._reached is None:
            one = self.settings
            # A read that waits for its turn would count against the lease.
            self._reached = _asked(lambda: api.Cluster(one, call_s_max=one.timeout_s, paced=False))
        return self._reached


class _Unanswered(StoreError):
    """No usable answer came."""


class _Absent(StoreError):
    """There is no such ConfigMap."""


def _asked(call: Callable[[], T]) -> T:
    """What `call` answers; its errors are the store's.

    A change may be sent again: it names the version that it replaces, so it is made once.
    """
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return _once(call)
        except _Unanswered:
            SYSTEM_CLOCK.sleep(attempt * APART_S)
    return _once(call)


def _once(call: Callable[[], T]) -> T:
    try:
        return call()
    except api.Unanswered as error:
        raise _Unanswered(str(error)) from error
    except api.Absent as error:
        raise _Absent(str(error)) from error
    except api.Conflict as error:
        raise Conflict(str(error)) from error
    except PortError as error:
        raise StoreError(str(error)) from error


def _name(key: str) -> str:
    kind = key.partition("/")[0]
    return f"muster-{kind}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def _stored(found: dict[str, Any], key: str | None = None) -> Stored:
    data, meta = found.get("data"), found.get("metadata")
    if not isinstance(data, dict) or not isinstance(meta, dict):
        raise StoreError(f"{key or 'ConfigMap'}: no record of the store")
    said, text, version = data.get("key"), data.get("text", ""), meta.get("resourceVersion")
    if not isinstance(said, str) or not isinstance(version, str) or key not in (None, said):
        raise StoreError(f"ConfigMap {meta.get('name')}: no record of the store")
    return Stored(said, str(text), version)
