"""Regions whose switch has a planted defect: they do something else than was asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from muster.errors import MusterError
from muster.testbed.rig.regions import Region

LIT_AFTER_S = 4.0
LIT_FOR_S = 7.0
CAPACITY_SHARE = 4


class LitInDark(Region):
    """After a stop it starts itself after a while, and then stops itself again."""

    _plan: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        await self._forget_plan()
        await super().stop()
        self._plan = asyncio.create_task(self._flare())

    async def start(self) -> None:
        await self._forget_plan()
        await super().start()

    async def kill(self) -> None:
        await self._forget_plan()
        await super().kill()

    async def close(self) -> None:
        await self._forget_plan()

    async def _flare(self) -> None:
        with suppress(MusterError):
            await asyncio.sleep(LIT_AFTER_S)
            await super().start()
            await asyncio.sleep(LIT_FOR_S)
            await super().stop()

    async def _forget_plan(self) -> None:
        plan, self._plan = self._plan, None
        if plan is not None:
            plan.cancel()
            await asyncio.gather(plan, return_exceptions=True)


class HalfBack(Region):
    """After a stop and a start, its gateways have room for only a part of their former streams."""

    _stopped = False

    async def stop(self) -> None:
        await super().stop()
        self._stopped = True

    async def start(self) -> None:
        if self._stopped:
            self._stopped = False
            for child in self._gateways:
                config = dict(child.spec.config or {})
                limit = int(config["streams_limit_region"])
                config["streams_limit_region"] = max(1, limit // CAPACITY_SHARE)
                child.spec = replace(child.spec, config=config)
        await super().start()


class WithPrometheus(Region):
    """The platform's only Prometheus stands in it: it stops and starts with the region."""

    async def start(self) -> None:
        await super().start()
        async with self._alone("start"):
            await self._start(self._prometheus)

    async def stop(self) -> None:
        await super().stop()
        async with self._alone("stop"):
            await asyncio.gather(*(child.end() for child in self._prometheus))


REGIONS: dict[str, type[Region]] = {
    "lit_in_dark": LitInDark,
    "half_capacity_back": HalfBack,
    "survivor_prometheus_evacuated": WithPrometheus,
}


def region_of(defect: str | None) -> type[Region]:
    """The class of region that has `defect`; the healthy one without any."""
    return Region if defect is None else REGIONS[defect]
