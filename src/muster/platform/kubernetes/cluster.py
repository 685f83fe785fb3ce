"""Calls to the API of one cluster, each limited in time, with errors told apart by what helps.

chaostoolkit-kubernetes 0.39 and the generated API classes of the official client take their
configuration from one default of the process. A drill reaches two clusters from several threads, so
each `Cluster` has a configuration of its own.

- `Refused`: the API server will say no again: a missing right, a policy, an invalid request.
- `Absent`: there is no such object, or no such kind of object.
- `Another`: there is an object of that name, and it is not the one that was meant.
- `Conflict`: somebody else was faster; reading again helps.
- `Unanswered`: no answer, or an answer that says that the server could not serve it. A change may
  or may not have been made.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any

from muster import effects
from muster.aws import Pace
from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import Denied, PortError
from muster.redact import redacted
from muster.targets.kubernetes import IN_CLUSTER, ClusterAccess

CALL_S_MAX = 10.0
READS_PER_S_MAX = 2.0
READS_AT_ONCE = 12
"""So many reads may be made at once; then `READS_PER_S_MAX` of them a second."""
LOOK_S_MAX = 5.0
SAID_MAX = 200
_CHUNK = 65536
_MERGE = "application/merge-patch+json"
_UNAVAILABLE = frozenset({408, 429})


def look_s_max(workloads: int) -> float:
    """How long a look at so many workloads and their pods may take, in seconds.

    Its reads are paced: two of each workload, of which none may be left to be made at once.
    """
    return max(LOOK_S_MAX, 2.0 + 2 * workloads / READS_PER_S_MAX)


class Refused(Denied):
    """The API server refused the call, and would refuse it again."""


class Absent(Refused):
    """There is nothing at that path."""


class Another(Refused):
    """What stands at that path is not the object that was meant."""


class Conflict(PortError):
    """The object was changed since it was read."""


class Unanswered(PortError):
    """No usable answer came. A change may or may not have been made."""


class Cluster:
    """One cluster, with the credentials of one context.

    The constructor reads the kubeconfig, sends nothing to the cluster, and raises PortError. Every
    method raises PortError, in one line without HTTP headers.
    """

    def __init__(
        self,
        access: ClusterAccess,
        clock: Clock = SYSTEM_CLOCK,
        *,
        call_s_max: float | None = None,
        paced: bool = True,
    ) -> None:
        self._access = access
        self._call_s_max = CALL_S_MAX if call_s_max is None else call_s_max
        self._paced = paced
        self._pace = Pace(READS_PER_S_MAX, clock, READS_AT_ONCE)
        self._lock = threading.Lock()
        self._client = _client(access)
        self._date = ""

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """No read within the block waits for its turn: what must be one moment is one."""
        before, self._paced = self._paced, False
        try:
            yield
        finally:
            self._paced = before

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """The object at `path`."""
        if self._paced:
            self._pace.wait()
        return self._call("GET", path, query)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The objects of the list at `path`."""
        listed = self.get(path, **query).get("items")
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise PortError(f"Kubernetes GET {_short(path)}: answered no list")
        return listed

    def patch(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Merge `body` into the object at `path`; what it is then."""
        return self._call("PATCH", path, _dry(dry_run), body, _MERGE)

    def post(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create `body`; the answer."""
        return self._call("POST", path, _dry(dry_run), body)

    def delete(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> None:
        """Delete the object at `path` with the options `body`."""
        # The API server reads the options of a deletion from its body, and then no query: a dry run
        # that only the query asks for would delete.
        self._call("DELETE", path, _dry(dry_run), {**body, "dryRun": ["All"]} if dry_run else body)

    def lines(self, path: str, silent_s_max: float, **query: str) -> Iterator[bytes]:
        """The lines of a text that may go on growing, without their ends.

        It ends with the text, or after `silent_s_max` without any of it. Raises PortError.
        """
        yield from self._opened(path, silent_s_max, query)

    def watch(self, path: str, seconds: int) -> Growing:
        """A watch of the collection at `path`, for that long: an event a line. Raises PortError."""
        if self._paced:
            self._pace.wait()
        query = {"watch": "1", "timeoutSeconds": str(seconds)}
        return self._opened(path, seconds + CALL_S_MAX, query)

    def _opened(self, path: str, silent_s_max: float, query: Mapping[str, str]) -> Growing:
        said = f"Kubernetes GET {_short(path)}"
        with _told(said):
            request = self._client.param_serialize(
                "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"]
            )
            limits = (CALL_S_MAX, silent_s_max)
            response = self._client.call_api(*request, _request_timeout=limits)
            if response.status == 401:
                self._renewed(self._client)
            if response.status != 200:
                _answer(said, int(response.status), bytes(response.read() or b""))
            return Growing(said, response.response)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        said = f"Kubernetes {method} {_short(path)}"
        used = self._client
        status, raw = self._sent(said, used, method, path, query, body, content_type)
        if status == 401:
            # A token that expired in the middle of a drill: its file or its plugin has a new one.
            status, raw = self._sent(
                said, self._renewed(used), method, path, query, body, content_type
            )
        return _answer(said, status, raw)

    def _renewed(self, used: Any) -> Any:
        """A client with the credentials that stand in the kubeconfig now.

        Raises Another if they are another server's: its objects were never meant.
        """
        with self._lock:
            if self._client is used:
                new = _client(self._access)
                before, now = used.configuration.host, new.configuration.host
                if now != before:
                    raise Another(
                        f"Kubernetes: the context led to {before}, and leads to {now} now: set it "
                        "as it was, and recover"
                    )
                self._client = new
            return self._client

    def _sent(
        self,
        said: str,
        client: Any,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content_type: str,
    ) -> tuple[int, bytes]:
        if method != "GET" and "dryRun" not in query:
            effects.ask()
        with _told(said):
            request = client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = client.call_api(*request, _request_timeout=self._call_s_max)
            self._date = response.getheader("Date") or ""
            return int(response.status), bytes(response.read() or b"")

    def date_s(self) -> float | None:
        """When the last answer was made, by the API server's clock, in whole seconds since the
        epoch; None if it did not say.
        """
        try:
            return parsedate_to_datetime(self._date).timestamp()
        except ValueError:
            return None


class Growing:
    """A text that the API server goes on writing; its lines, without their ends, once.

    It ends with the text, or with an error after a time in which none of it came: PortError.
    """

    def __init__(self, said: str, response: Any) -> None:
        self._said = said
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _told(self._said):
            yield from _lines(self._response.stream(_CHUNK, decode_content=False))

    def end(self) -> None:
        """Have it end now, whoever waits for its next line."""
        with suppress(Exception):  # it may have ended by itself
            self._response.shutdown()


@contextmanager
def _told(said: str) -> Iterator[None]:
    """Whatever goes wrong on the way as `Unanswered`."""
    try:
        yield
    except PortError:
        raise
    except Exception as error:  # kubernetes, urllib3 and TLS share no base class for errors
        text = " ".join(str(error).split()) or type(error).__name__
        raise Unanswered(f"{said}: {redacted(text)[:SAID_MAX]}") from error


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def kubectl_of(access: ClusterAccess) -> list[str]:
    """The first words of a person's kubectl line for that namespace and cluster."""
    words = ["kubectl", "-n", access.namespace]
    words += ["--kubeconfig", access.kubeconfig] if access.kubeconfig else []
    return words + (
        ["--context", access.context] if access.context not in (None, IN_CLUSTER) else []
    )


def _client(access: ClusterAccess) -> Any:
    """The official client, with a configuration of its own. Raises PortError."""
    # It takes over a second to import: only targets on Kubernetes should need that time.
    from kubernetes import config
    from kubernetes.client import ApiClient, Configuration

    loads: Any = config  # it has no types
    settings = Configuration()
    # Its own repetitions would multiply the time limit of a call.
    settings.retries = False
    in_pod = access.context == IN_CLUSTER
    file = access.kubeconfig or _default_kubeconfig()
    try:
        if in_pod:
            loads.load_incluster_config(client_configuration=settings)
        else:
            loads.load_kube_config(
                config_file=file,
                context=access.context,
                client_configuration=settings,
                persist_config=False,
            )
    except Exception as error:  # kubernetes' ConfigException, or any error from YAML
        text = redacted(" ".join(str(error).split()))[:SAID_MAX]
        whence = "the pod's service account" if in_pod else f"kubeconfig {file}"
        raise PortError(f"Kubernetes: {whence}: {text}") from error
    return ApiClient(settings)


def _default_kubeconfig() -> str:
    """$KUBECONFIG as it is now: the client remembers the one of its import."""
    return os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _short(path: str) -> str:
    """The end of a path, from the namespace's own objects on."""
    return path.partition("/namespaces/")[2].partition("/")[2] or path


def _answer(said: str, status: int, raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw) if raw else None
    except ValueError:
        found = None
    if 200 <= status < 300:
        if not isinstance(found, dict):
            raise PortError(f"{said}: answered no object")
        return found
    reason = found.get("message") if isinstance(found, dict) else None
    text = redacted(" ".join(str(reason or raw[:SAID_MAX].decode("utf-8", "replace")).split()))
    line = f"{said}: {status}: {text[:SAID_MAX]}"
    if status == 404:
        raise Absent(line)
    if status == 409:
        raise Conflict(line)
    if status >= 500 or status in _UNAVAILABLE:
        raise Unanswered(line)
    raise Refused(line)
