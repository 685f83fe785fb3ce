"""A foreign region's switch: LiteLLM and Envoy stop and start with their Redis, and Envoy drains.

- Envoy has one way to drain: its health check fails (`/readyz` answers 503) and it closes
  connections after their answers. That is `draining`. Nothing in Envoy corresponds to `closing`,
  which must stay ready: the state is stored here and changes nothing, so clients keep their
  connections until these are idle.
- After a start, one request of each kind of client is sent, as a user's own canary would do:
  LiteLLM has no labelled series before the first request, and that one is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from muster.testbed.foreign.litellm import MODEL
from muster.testbed.rig.processes import Child, StartError
from muster.testbed.rig.regions import ADMIN_S_MAX, Region, RegionError, RegionParts

WARM_S_MAX = 60.0
WARM_POLL_S = 0.5
CHAT_PATH = "/v1/chat/completions"
_LIVE, _DRAINING = "LIVE", "DRAINING"


class ForeignRegion(Region):
    """One region of LiteLLM behind Envoy."""

    def __init__(self, parts: RegionParts, chat_url: str, tokens: Sequence[str]) -> None:
        super().__init__(parts)
        self._chat_url = chat_url
        self._tokens = tuple(tokens)
        self._closing = False

    async def start(self) -> None:
        """Start like any region, then send one request of each kind. Raises StartError."""
        self._closing = False
        await super().start()
        await self.warm()

    async def warm(self) -> None:
        """Send one request with each token and read its answer to the end. Raises StartError."""
        for token in self._tokens:
            await self._ask_once(token)

    async def drain(self, state: str) -> None:
        """Put Envoy into `state`. Raises RegionError if it does not change."""
        envoy = self._envoy()
        if envoy.pid is None:
            raise RegionError(f"{self.name}: Envoy does not run")
        verb = "fail" if state == "draining" else "ok"
        await self._admin("POST", f"/healthcheck/{verb}")
        self._closing = state == "closing"
        shown = await self.drain_state()
        if shown != state:
            raise RegionError(f"{self.name}: asked for {state}, but Envoy reports {shown}")

    async def drain_state(self) -> str:
        """What Envoy reports, and whether `closing` was asked for; `off` if it does not run."""
        if self._envoy().pid is None:
            return "off"
        said = (await self._admin("GET", "/ready")).text.strip()
        if said == _DRAINING:
            return "draining"
        if said != _LIVE:
            return "unknown"
        return "closing" if self._closing else "serving"

    def _envoy(self) -> Child:
        return next(child for child in self._gateways if child.spec.admin_url is not None)

    async def _admin(self, method: str, path: str) -> httpx.Response:
        url = f"{self._envoy().spec.admin_url}{path}"
        try:
            return await self._client.request(method, url, timeout=ADMIN_S_MAX)
        except httpx.HTTPError as error:
            raise RegionError(f"{self.name}: Envoy: {type(error).__name__} {error}") from error

    async def _ask_once(self, token: str) -> None:
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "muster"}],
            "max_tokens": 1,
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {token}"}
        said = ""
        end = asyncio.get_running_loop().time() + WARM_S_MAX
        while asyncio.get_running_loop().time() < end:
            try:
                answer = await self._client.post(
                    self._chat_url, json=body, headers=headers, timeout=WARM_S_MAX
                )
                if answer.is_success and "[DONE]" in answer.text:
                    return
                said = f"HTTP {answer.status_code} {answer.text.strip()[:200]}"
            except httpx.HTTPError as error:
                said = f"{type(error).__name__} {error}"
            await asyncio.sleep(WARM_POLL_S)
        raise StartError(f"{self.name}: no whole answer after {WARM_S_MAX:g} s: {said}")
