"""toxiproxy-python, made strict: one client per server, with time-outs, every error raised.

The library's own HTTP layer is one class-wide address without time-outs that ignores 5xx answers.
Here each server has its own HTTP layer, and each change is read back. If the server hangs (removing
a latency toxic can deadlock it while clients abort streams, Toxiproxy issue 558), the change
escalates: delete the proxy and create it again. The last step, the server's restart, is in
`toxiproxy_restart`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import requests
from toxiproxy.api import APIConsumer, validate_response
from toxiproxy.exceptions import NotFound

from muster import effects
from muster.faults.model import FaultError

# Toxiproxy refuses every user agent that begins "Mozilla/".
_HEADERS = {"User-Agent": "muster"}
PROXY_KEYS = ("name", "listen", "upstream", "enabled")


class NotThere(FaultError):
    """The server answered that it knows no such proxy or toxic."""


class ServerApi(APIConsumer):  # type: ignore[misc]
    """One Toxiproxy server's HTTP API. `timeout_s` limits connect and each read.

    The URL is used as it is, with its scheme, port and path, because a proxy of the platform may be
    in front of it. The library itself knows only http, a host and a port.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.base = url.rstrip("/")
        self.timeout_s = timeout_s

    def get(self, url: str, params: Any = None, **kwargs: Any) -> Any:
        """GET; raises FaultError unless the server answers 2xx in time."""
        return self._send("GET", url, params=params, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> Any:
        """DELETE; raises FaultError unless the server answers 2xx in time."""
        return self._send("DELETE", url, **kwargs)

    def post(self, url: str, data: Any = None, json: Any = None, **kwargs: Any) -> Any:
        """POST; raises FaultError unless the server answers 2xx in time."""
        return self._send("POST", url, data=data, json=json, **kwargs)

    def _send(self, method: str, url: str, **kwargs: Any) -> Any:
        endpoint = f"{self.base}{url}"
        if method != "GET":
            effects.ask()
        try:
            with requests.Session() as session:
                session.trust_env = False  # ignore proxies in the environment and .netrc
                answer = validate_response(
                    session.request(
                        method, endpoint, timeout=self.timeout_s, headers=_HEADERS, **kwargs
                    )
                )
        except NotFound as error:
            raise NotThere(f"Toxiproxy {endpoint}: not found") from error
        except requests.RequestException as error:
            raise FaultError(f"Toxiproxy {endpoint}: {type(error).__name__}") from error
        except Exception as error:  # the library's own errors share no base but Exception
            raise FaultError(f"Toxiproxy {endpoint}: {error}") from error
        if not 200 <= answer.status_code < 300:
            raise FaultError(f"Toxiproxy {endpoint}: HTTP {answer.status_code} {answer.text[:200]}")
        return answer


class ProxyHandle:
    """One named proxy on one server, every change read back."""

    def __init__(self, url: str, name: str, timeout_s: float) -> None:
        self.url = url
        self.name = name
        self.api = ServerApi(url, timeout_s)

    def state(self) -> dict[str, Any]:
        """The proxy as the server shows it (enabled, listen, upstream, toxics)."""
        return self._shown(f"/proxies/{self.name}")

    def server(self) -> list[dict[str, Any]]:
        """Every proxy of the server in the form that `POST /populate` takes (without toxics)."""
        shown = self._shown("/proxies")
        try:
            return [{key: one[key] for key in PROXY_KEYS} for one in shown.values()]
        except (AttributeError, KeyError, TypeError) as error:
            raise FaultError(f"Toxiproxy {self.url}: /proxies does not return proxies") from error

    def _shown(self, path: str) -> dict[str, Any]:
        """The object at `path`. Raises FaultError: what stands in front may answer with a page."""
        try:
            shown = self.api.get(path).json()
        except ValueError as error:
            raise FaultError(f"Toxiproxy {self.url}: {path} answers no JSON") from error
        if not isinstance(shown, dict):
            raise FaultError(f"Toxiproxy {self.url}: {path} answers no object")
        return shown

    def toxics(self) -> dict[str, dict[str, Any]]:
        """Toxics by name."""
        return {toxic["name"]: toxic for toxic in self.state().get("toxics", [])}

    def set_enabled(self, enabled: bool) -> None:
        """Enable or disable; raises FaultError unless the read-back agrees."""
        self.api.post(f"/proxies/{self.name}", json={"enabled": enabled})
        if bool(self.state()["enabled"]) is not enabled:
            raise FaultError(f"Toxiproxy {self.url}: {self.name} did not become enabled={enabled}")

    def add_toxic(
        self, name: str, kind: str, stream: str, attributes: dict[str, int], share: float = 1.0
    ) -> None:
        """Add a toxic to the `share` of connections; raises FaultError unless it is read back."""
        self.api.post(
            f"/proxies/{self.name}/toxics",
            json={
                "name": name,
                "type": kind,
                "stream": stream,
                "toxicity": share,
                "attributes": attributes,
            },
        )
        if name not in self.toxics():
            raise FaultError(f"Toxiproxy {self.url}: toxic {name} is not on {self.name}")

    def remove_toxic(self, name: str, recreate: dict[str, Any]) -> str:
        """Remove a toxic if it exists; returns how: absent, removed or recreated.

        `recreate` is the proxy's state before the fault (`listen`, `upstream`, `enabled`). Raises
        FaultError if even that does not restore the proxy.
        """
        try:
            if name not in self.toxics():
                return "absent"
            self.api.delete(f"/proxies/{self.name}/toxics/{name}")
            if name not in self.toxics():
                return "removed"
        except FaultError:
            pass  # the server hangs or refuses: the proxy is created again below
        self.recreate(recreate)
        return "recreated"

    def enable(self, before: Mapping[str, Any] | None) -> str:
        """Enable the proxy; returns how: enabled or recreated. `before` as in `remove_toxic`.

        Raises FaultError if even a new proxy is not enabled; without `before` none is created.
        """
        try:
            if not self.state()["enabled"]:
                self.set_enabled(True)
            return "enabled"
        except FaultError:
            if before is None:
                raise
        # The server hangs, or has lost the proxy.
        self.recreate({**before, "enabled": True})
        return "recreated"

    def create(self, proxy: Mapping[str, Any]) -> None:
        """Create a proxy (`name`, `listen`, `upstream`, `enabled`). Raises FaultError."""
        self.api.post("/proxies", json={key: proxy[key] for key in PROXY_KEYS})

    def recreate(self, before: dict[str, Any]) -> None:
        """Delete the proxy and create it as it was; streams in flight break. Raises FaultError."""
        # It is gone already if an earlier try ended between the two: then only the second half is
        # left.
        with suppress(NotThere):
            self.api.delete(f"/proxies/{self.name}")
        self.create({**before, "name": self.name})
        shown = self.state()
        if shown.get("toxics") or bool(shown["enabled"]) is not bool(before["enabled"]):
            raise FaultError(
                f"Toxiproxy {self.url}: {self.name} was created again but is not as before"
            )
