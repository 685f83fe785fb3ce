"""A region's switch: its gateways and its Redis stop and start; proxies and provider stay.

Each verb is idempotent and answers when what it asks for holds. One verb at a time a region.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from muster.errors import MusterError
from muster.testbed.processes import Child
from muster.testbed.toxiproxies import answers, create_proxies
from muster.testbed.waiting import answers_2xx, await_ready

ADMIN_S_MAX = 3.0
DRAIN_STATES = ("serving", "closing", "draining")


class RegionError(MusterError):
    """The region is not in a state in which that can be done."""


class Region:
    """One region's processes."""

    def __init__(
        self,
        name: str,
        gateways: Sequence[Child],
        redis: Sequence[Child],
        toxiproxies: Sequence[Child],
        client: httpx.AsyncClient,
    ) -> None:
        self.name = name
        self._gateways = tuple(gateways)
        self._redis = tuple(redis)
        self._toxiproxies = tuple(toxiproxies)
        self._client = client
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Redis first, then gateways; returns when each is ready. Raises StartError."""
        async with self._lock:
            await self._start(self._redis)
            await self._start(self._gateways)

    async def stop(self) -> None:
        """End gateways, then Redis; returns when they are gone."""
        async with self._lock:
            await asyncio.gather(*(child.end() for child in self._gateways))
            await asyncio.gather(*(child.end() for child in self._redis))

    async def kill(self) -> None:
        """SIGKILL every gateway at once, as an abrupt loss."""
        async with self._lock:
            await asyncio.gather(*(child.kill() for child in self._gateways))

    async def restart_toxiproxies(self) -> None:
        """Kill and start those that do not answer (else all of them), with their proxies.

        Raises StartError. SIGKILL, since one that hangs would not take SIGTERM.
        """
        async with self._lock:
            fit = await asyncio.gather(
                *(answers(self._client, child.spec) for child in self._toxiproxies)
            )
            hung = [child for child, fits in zip(self._toxiproxies, fit, strict=True) if not fits]
            chosen = hung or self._toxiproxies
            await asyncio.gather(*(child.kill() for child in chosen))
            await self._start(chosen)
            await asyncio.gather(*(create_proxies(self._client, child.spec) for child in chosen))

    async def drain(self, state: str) -> None:
        """Put every gateway into `state`. Raises RegionError when one does not take it."""
        running = [child for child in self._gateways if child.pid is not None]
        if not running:
            raise RegionError(f"{self.name}: no gateway runs")
        answers = await asyncio.gather(
            *(self._ask("POST", child, {"state": state}) for child in running)
        )
        shown = {str(answer.get("state", answer)) for answer in answers}
        if shown != {state}:
            raise RegionError(f"{self.name}: asked for {state}, gateways say {sorted(shown)}")

    async def drain_state(self) -> str:
        """What the gateways say: one state, `mixed`, or `off` when none runs."""
        running = [child for child in self._gateways if child.pid is not None]
        if not running:
            return "off"
        answers = await asyncio.gather(*(self._ask("GET", child, None) for child in running))
        shown = {str(answer.get("state", "unknown")) for answer in answers}
        return shown.pop() if len(shown) == 1 else "mixed"

    async def show(self) -> dict[str, Any]:
        """power (on, off, or partial), ready, gateways (running), redis (running)."""
        running = [child for child in self._gateways if child.pid is not None]
        ready = await asyncio.gather(
            *(answers_2xx(self._client, child.spec.ready) for child in running)
        )
        redis = all(child.pid is not None for child in self._redis)
        whole = len(running) == len(self._gateways) and redis
        return {
            "region": self.name,
            "power": "on" if whole else ("partial" if running else "off"),
            "ready": whole and all(ready),
            "gateways": len(running),
            "redis": redis,
        }

    async def _start(self, children: Sequence[Child]) -> None:
        await asyncio.gather(*(child.start() for child in children))
        await asyncio.gather(*(await_ready(self._client, child) for child in children))

    async def _ask(self, method: str, child: Child, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            answer = await self._client.request(
                method, f"{child.spec.admin_url}/admin/drain", json=body, timeout=ADMIN_S_MAX
            )
            shown = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RegionError(f"{child.spec.name}: {type(error).__name__} {error}") from error
        if answer.status_code // 100 != 2 or not isinstance(shown, dict):
            raise RegionError(f"{child.spec.name}: HTTP {answer.status_code} {answer.text[:200]}")
        return shown
