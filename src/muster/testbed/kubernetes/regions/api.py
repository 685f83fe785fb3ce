"""The testbed's own calls to its API server, as the administrator."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from muster.testbed.kubernetes.control_plane import ControlPlane
from muster.testbed.rig.processes import StartError

CALL_S_MAX = 10.0
_SAID_MAX = 300


class Api:
    """One API server. Every call raises StartError, in one line."""

    def __init__(self, plane: ControlPlane) -> None:
        trusted = ssl.create_default_context(cafile=plane.ca)
        access = json.loads(plane.kubeconfig.read_text(encoding="utf-8"))
        user = access["users"][0]["user"]
        trusted.load_cert_chain(user["client-certificate"], user["client-key"])
        self._client = httpx.AsyncClient(
            base_url=plane.url, verify=trusted, trust_env=False, timeout=CALL_S_MAX
        )

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The object or list at `path`."""
        return await self._call("GET", path, None, query)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create `body`; the answer."""
        return await self._call("POST", path, body)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        said = f"Kubernetes {method} {path}"
        try:
            answer = await self._client.request(method, path, json=body, params=query)
            found: Any = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StartError(f"{said}: {type(error).__name__} {error}") from error
        if not answer.is_success or not isinstance(found, dict):
            raise StartError(f"{said}: HTTP {answer.status_code} {answer.text[:_SAID_MAX]}")
        return found
