"""Watches one ConfigMap of a cluster from inside a pod, with the rights of its service account.

The standard library alone: the official client takes over a second and 60 MB to import, in every
part. The watch runs in a thread of its own, which sleeps between two changes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from muster.errors import BadInput
from muster.load.orders import ACCESS_VARIABLE, DRILL, NAME_VARIABLE, NAMESPACE_VARIABLE

SILENT_S_MAX = 30.0
WATCH_S = 300
"""The API server ends a watch after this time; the next one reads the token again."""
AGAIN_S = 1.0
SAID_MAX = 200
_LINE_MAX = 4 * 1024 * 1024


@dataclass(frozen=True)
class Watched:
    """Where the object is, and the files of the service account."""

    host: str
    port: int
    namespace: str
    name: str
    folder: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Watched:
        """From a pod's environment. Raises BadInput."""

        def told(name: str) -> str:
            if not (value := environment.get(name)):
                raise BadInput("environment", name, value, "a value, as a pod of the load has it")
            return value

        port = told("KUBERNETES_SERVICE_PORT")
        if not port.isdigit():
            raise BadInput("environment", "KUBERNETES_SERVICE_PORT", port, "a port")
        return cls(
            told("KUBERNETES_SERVICE_HOST"),
            int(port),
            told(NAMESPACE_VARIABLE),
            told(NAME_VARIABLE),
            Path(told(ACCESS_VARIABLE)),
        )

    def connect(self) -> http.client.HTTPSConnection:
        """Raises OSError, also for a certificate authority that cannot be read."""
        trusted = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=SILENT_S_MAX, context=trusted
        )

    @property
    def path(self) -> str:
        """What is watched: the one object, from its present state on."""
        query = {"watch": "true", "fieldSelector": f"metadata.name={self.name}"}
        query["timeoutSeconds"] = str(WATCH_S)
        return f"/api/v1/namespaces/{quote(self.namespace)}/configmaps?{urlencode(query)}"


class Watch:
    """`changed` gets the object's data at each change, in the watch's thread; None: it is gone.

    An object of that name which is another drill's, as the one before or after this load, is none.
    `trouble`: why there is no watch at the moment, empty while there is one.
    """

    def __init__(
        self,
        watched: Watched,
        drill: str,
        changed: Callable[[Mapping[str, Any] | None], None],
    ) -> None:
        self._watched = watched
        self._drill = drill
        self._changed = changed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="muster-orders", daemon=True)
        self.trouble = "the API server has not answered yet"
        self.refused = 0

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Tell nobody anything any more. The thread ends with the process."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                for event in self._events():
                    if self._over.is_set():
                        return
                    self._tell(event)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.trouble = f"{type(error).__name__}: {error}"[:SAID_MAX]
            self._over.wait(AGAIN_S)

    def _tell(self, event: Mapping[str, Any]) -> None:
        kind, found = event.get("type"), event.get("object")
        if kind == "ERROR" or not isinstance(found, Mapping):
            raise ValueError(f"the watch ended: {found!r}")
        data = found.get("data")
        if not isinstance(data, Mapping) or data.get(DRILL) != self._drill:
            return
        if kind == "DELETED":
            self._changed(None)
        elif kind in ("ADDED", "MODIFIED"):
            self._changed(data)

    def _events(self) -> Iterator[Mapping[str, Any]]:
        connection = self._watched.connect()
        with contextlib.closing(connection):
            token = (self._watched.folder / "token").read_text(encoding="ascii").strip()
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            connection.request("GET", self._watched.path, headers=headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                said = response.read(4 * SAID_MAX).decode("utf-8", "replace")
                self.refused += 1
                raise ValueError(f"the API server answered {response.status}: {_message(said)}")
            self.trouble, self.refused = "", 0
            while line := response.readline(_LINE_MAX):
                event = json.loads(line)
                if isinstance(event, Mapping):
                    yield event


def _message(said: str) -> str:
    try:
        found = json.loads(said)
        return str(found["message"])
    except (ValueError, KeyError, TypeError):
        return said
