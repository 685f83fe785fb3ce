"""A region's switch: its gateways and its Redis stop and start; proxies and provider stay.

Each call is idempotent and returns when its result holds. A region handles one call at a time: the
next one waits, for a limited time, until the current one is done, even if the caller of that one is
gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from muster.errors import MusterError
from muster.testbed.rig.primary import await_replica, follow_primary
from muster.testbed.rig.processes import Child, StartError
from muster.testbed.rig.toxiproxies import answers, create_proxies
from muster.testbed.rig.waiting import answers_2xx, await_ready

ADMIN_S_MAX = 3.0
DRAIN, PARTITION = "/admin/drain", "/admin/partition"
BUSY_S_MAX = 40.0
"""The time that a stop may take: grace and kill of gateways and Redis. A start may take longer."""
DRAIN_STATES = ("serving", "closing", "draining")
PARTITION_STATES = ("whole", "cut")
CUT_S_MAX = 5.0
"""How long gateways may take to listen again, or no longer, in seconds."""


class RegionError(MusterError):
    """The region is not in a state in which that can be done."""


@dataclass(frozen=True)
class RegionParts:
    """What a region is made of: its processes, and a client for their admin interfaces.

    `prometheus` scrapes all regions, and stands in none of them but by a planted defect.

    `ready_s_max`: how long one start may take, in seconds.
    """

    name: str
    gateways: tuple[Child, ...]
    redis: tuple[Child, ...]
    toxiproxies: tuple[Child, ...]
    prometheus: tuple[Child, ...]
    client: httpx.AsyncClient
    ready_s_max: float
    standby: tuple[Child, ...] = ()
    """A second Redis, then the Sentinel that watches both."""


class Region:
    """One region's processes."""

    def __init__(self, parts: RegionParts) -> None:
        self.name = parts.name
        self.ready_s_max = parts.ready_s_max
        self._gateways = parts.gateways
        self._redis = parts.redis
        self._standby = parts.standby
        self._toxiproxies = parts.toxiproxies
        self._prometheus = parts.prometheus
        self._client = parts.client
        self._lock = asyncio.Lock()
        self._under_way = ""

    async def start(self) -> None:
        """Start Redis, then the gateways; returns when each is ready. Raises StartError."""
        async with self._alone("start"):
            await self._start(self._redis)
            await self._start(self._standby)
            await self.await_replica()
            await self._start(self._gateways)

    async def stop(self) -> None:
        """End gateways, then Redis; returns when they are gone."""
        async with self._alone("stop"):
            await asyncio.gather(*(child.end() for child in self._gateways))
            # Sentinel first: it would take an end that was asked for for a loss.
            for child in (*reversed(self._standby), *self._redis):
                await child.end()

    async def kill(self) -> None:
        """SIGKILL every gateway at once, as an abrupt loss."""
        async with self._alone("kill"):
            await asyncio.gather(*(child.kill() for child in self._gateways))

    async def halt_redis(self) -> None:
        """SIGSTOP Redis, as if it hung. Raises StartError if it does not run."""
        async with self._alone("redis/halt"):
            await asyncio.gather(*(child.halt() for child in self._redis))

    async def kill_redis(self) -> None:
        """SIGKILL Redis; it kept nothing on disk."""
        async with self._alone("redis/kill"):
            await asyncio.gather(*(child.kill() for child in self._redis))

    async def run_redis(self) -> None:
        """Let Redis go on, or start it; returns when it is ready. Raises StartError."""
        async with self._alone("redis/run"):
            await self._start(self._redis)

    def redis_state(self) -> str:
        """What Redis is: running, halted or gone."""
        if any(child.pid is None for child in self._redis):
            return "gone"
        return "halted" if any(child.halted for child in self._redis) else "running"

    async def restart_toxiproxies(self) -> None:
        """Kill and start those that do not answer (else all of them), with their proxies.

        Raises StartError. SIGKILL, because a process that hangs would ignore SIGTERM.
        """
        async with self._alone("toxiproxy/restart"):
            fit = await asyncio.gather(
                *(answers(self._client, child.spec) for child in self._toxiproxies)
            )
            hung = [child for child, fits in zip(self._toxiproxies, fit, strict=True) if not fits]
            chosen = hung or self._toxiproxies
            await asyncio.gather(*(child.kill() for child in chosen))
            await self._start(chosen)
            await asyncio.gather(*(create_proxies(self._client, child.spec) for child in chosen))
            if self._standby:
                specs = [child.spec for child in chosen]
                await follow_primary(self._client, self._standby[-1], specs)

    async def drain(self, state: str) -> None:
        """Put every gateway into `state`. Raises RegionError if one does not change."""
        answers = await asyncio.gather(
            *(self._ask("POST", child, {"state": state}) for child in self._running())
        )
        shown = {str(answer.get("state", answer)) for answer in answers}
        if shown != {state}:
            raise RegionError(
                f"{self.name}: asked for {state}, but the gateways report {sorted(shown)}"
            )

    async def drain_state(self) -> str:
        """What the gateways report: one state, `mixed`, or `off` if none runs."""
        running = [child for child in self._gateways if child.pid is not None]
        if not running:
            return "off"
        answers = await asyncio.gather(*(self._ask("GET", child, None) for child in running))
        shown = {str(answer.get("state", "unknown")) for answer in answers}
        return shown.pop() if len(shown) == 1 else "mixed"

    async def partition(self, state: str) -> None:
        """Cut every gateway off from its clients, or let them in again; returns when it holds.

        Raises RegionError.
        """
        async with self._alone("partition"):
            for child in self._running():
                await self._ask("POST", child, {"cut": state == "cut"}, PARTITION)
            end_s = asyncio.get_running_loop().time() + CUT_S_MAX
            while (shown := await self.partition_state()) != state:
                if asyncio.get_running_loop().time() > end_s:
                    raise RegionError(f"{self.name}: asked for {state}, the gateways are {shown}")
                await asyncio.sleep(0.05)

    async def partition_state(self) -> str:
        """What the gateways are: `whole`, `cut`, or `partly` cut. Raises RegionError."""
        answers = [await self._ask("GET", child, None, PARTITION) for child in self._running()]
        cut = {answer.get("cut") is True for answer in answers}
        return "partly" if len(cut) > 1 else "cut" if cut.pop() else "whole"

    def _running(self) -> list[Child]:
        """The gateways that run. Raises RegionError if none does."""
        running = [child for child in self._gateways if child.pid is not None]
        if not running:
            raise RegionError(f"{self.name}: no gateway runs")
        return running

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

    async def await_replica(self) -> None:
        """Return once a Sentinel, where there is one, could promote. Raises StartError."""
        if self._standby:
            await await_replica(self._standby[-1], self.ready_s_max)

    async def warm(self) -> None:
        """What the region needs before its first client. Raises StartError."""

    async def close(self) -> None:
        """The testbed ends: nothing of the region starts by itself any more."""

    @asynccontextmanager
    async def _alone(self, verb: str) -> AsyncIterator[None]:
        """Keeps all other calls of the region waiting. Raises RegionError if it stays busy."""
        busy_s_max = max(BUSY_S_MAX, self.ready_s_max)
        try:
            async with asyncio.timeout(busy_s_max):
                await self._lock.acquire()
        except TimeoutError:
            busy = f"{self._under_way} is still under way after {busy_s_max:g} s"
            raise RegionError(f"{self.name}: {verb}: {busy}") from None
        self._under_way = verb
        try:
            yield
        finally:
            self._lock.release()

    async def _start(self, children: Sequence[Child]) -> None:
        await asyncio.gather(*(child.start() for child in children))
        ready = await asyncio.gather(
            *(await_ready(self._client, child, self.ready_s_max) for child in children),
            return_exceptions=True,
        )
        failed = [
            (child, result)
            for child, result in zip(children, ready, strict=True)
            if isinstance(result, BaseException)
        ]
        # One that runs and is not ready stays that way: end it, so that the next start begins with
        # a new one.
        await asyncio.gather(*(child.end() for child, _ in failed), return_exceptions=True)
        for child, error in failed:
            raise (
                error
                if isinstance(error, StartError)
                else StartError(f"{child.spec.name}: {error}")
            )

    async def _ask(
        self, method: str, child: Child, body: dict[str, Any] | None, path: str = DRAIN
    ) -> dict[str, Any]:
        try:
            answer = await self._client.request(
                method, f"{child.spec.admin_url}{path}", json=body, timeout=ADMIN_S_MAX
            )
            shown = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RegionError(f"{child.spec.name}: {type(error).__name__} {error}") from error
        if answer.status_code // 100 != 2 or not isinstance(shown, dict):
            raise RegionError(f"{child.spec.name}: HTTP {answer.status_code} {answer.text[:200]}")
        return shown
