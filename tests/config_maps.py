"""A stand-in for the API of ConfigMaps, for the faults that a real API server shows seldom.

It holds to what the API conventions say of resource versions: who names an outdated one is refused
with 409. What it shares with a real one is tested there (the marker `kubernetes`). Planned faults
are those of `StrictAws`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from floor_fixtures import Call, StandInServer, stand_in
from strict_aws import StrictAws


class ConfigMaps:
    """The ConfigMaps of every namespace, by path; `faults` plans what goes wrong."""

    def __init__(self, faults: StrictAws) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self._faults = faults
        self._version = 0
        self._lock = threading.Lock()

    def answer(self, call: Call) -> tuple[int, Any]:
        """Status and body of one call."""
        with self._lock:
            if self._faults.down:
                return _status(503, "the stand-in is down")
            plan = self._faults.plan
            fault = plan.pop(0) if call.method != "GET" and plan else ""
            if fault == "throttle":
                return _status(429, "too many requests")
            if fault == "refuse":
                return _status(403, "configmaps is forbidden")
            status, body = self._done(call)
            return _status(504, "timeout") if fault == "lose_answer" else (status, body)

    def _done(self, call: Call) -> tuple[int, Any]:
        path = call.path.partition("?")[0]
        if call.method == "GET" and path.endswith("/configmaps"):
            below = [one for at, one in self.held.items() if at.startswith(f"{path}/")]
            return 200, {"kind": "ConfigMapList", "items": below}
        if path.endswith("/selfsubjectaccessreviews"):
            return 201, {"status": {"allowed": True}}
        if call.method == "POST":
            path = f"{path}/{call.json['metadata']['name']}"
            if path in self.held:
                return _status(409, "already exists")
            return 201, self._put(path, call.json)
        found = self.held.get(path)
        if found is None:
            return _status(404, "not found")
        if call.method == "GET":
            return 200, found
        named = call.json.get("preconditions") or call.json["metadata"]
        if named["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified")
        if call.method == "DELETE":
            return 200, self.held.pop(path)
        return 200, self._put(path, found | {"data": found["data"] | call.json["data"]})

    def _put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        version = {"resourceVersion": str(self._version)}
        self.held[path] = body | {"metadata": body["metadata"] | version}
        return self.held[path]


def _status(code: int, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "status": "Failure", "code": code, "message": message}


@contextmanager
def config_maps(faults: StrictAws) -> Iterator[StandInServer]:
    """A running stand-in."""
    with stand_in(ConfigMaps(faults).answer) as server:
        yield server
