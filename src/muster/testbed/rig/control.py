"""The control API: what a drill asks of the testbed, as it would ask a platform's operators.

Loopback and bearer token. POST /regions/R/stop|start|kill, GET /regions/R, GET|POST
/regions/R/drain, GET|POST /regions/R/partition, GET /regions/R/redis, POST
/regions/R/redis/halt|kill|run, POST /regions/R/toxiproxy/restart, GET|POST /provider/trouble,
GET|POST /dns/trouble, GET|POST /steering/trouble, GET /status, POST /shutdown.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from muster.errors import MusterError
from muster.testbed.rig.regions import DRAIN_STATES, PARTITION_STATES, Region, RegionError
from muster.testbed.rig.small_http import Answer, Request

StatusSource = Callable[[], Awaitable[dict[str, Any]]]


class Control:
    """Turns requests into calls of regions. `shutdown` must return at once."""

    def __init__(
        self,
        token: str,
        regions: Mapping[str, Region],
        *,
        status: StatusSource,
        shutdown: Callable[[], None],
        changed: Callable[[], None],
        troubles: Mapping[str, Callable[[Request], Awaitable[Answer]]] | None = None,
    ) -> None:
        self._token = token
        self._regions = regions
        self._status = status
        self._shutdown = shutdown
        self._changed = changed
        self._troubles = dict(troubles or {})

    async def handle(self, request: Request) -> Answer:
        """Answer one request; a call that failed is 409 or 500 with the reason."""
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return Answer(401, {"error": "a bearer token is needed: control_token in state.json"})
        parts = [part for part in request.path.partition("?")[0].split("/") if part]
        if parts == ["status"] and request.method == "GET":
            return Answer(200, await self._status())
        if parts == ["shutdown"] and request.method == "POST":
            self._shutdown()
            return Answer(202, {"state": "ending"})
        if len(parts) == 2 and parts[0] in self._troubles and parts[1] == "trouble":
            return await self._troubles[parts[0]](request)
        if len(parts) >= 2 and parts[0] == "regions":
            region = self._regions.get(parts[1])
            if region is None:
                return Answer(404, {"error": f"no region {parts[1]}; {sorted(self._regions)}"})
            return await self._region(request, region, "/".join(parts[2:]))
        return Answer(404, {"error": f"no {request.method} {request.path}"})

    async def _region(self, request: Request, region: Region, verb: str) -> Answer:
        verbs: dict[str, Callable[[], Awaitable[None]]] = {
            "stop": region.stop,
            "start": region.start,
            "kill": region.kill,
            "redis/halt": region.halt_redis,
            "redis/kill": region.kill_redis,
            "redis/run": region.run_redis,
            "toxiproxy/restart": region.restart_toxiproxies,
        }
        try:
            if request.method == "GET" and verb == "":
                return Answer(200, await region.show())
            if request.method == "GET" and verb == "redis":
                return Answer(200, {"region": region.name, "state": region.redis_state()})
            if request.method == "GET" and verb == "drain":
                return Answer(200, {"region": region.name, "state": await region.drain_state()})
            if request.method == "POST" and verb == "drain":
                return await self._drain(request, region)
            if request.method == "GET" and verb == "partition":
                state = await region.partition_state()
                return Answer(200, {"region": region.name, "state": state})
            if request.method == "POST" and verb == "partition":
                return await self._partition(request, region)
            if request.method == "POST" and verb in verbs:
                # The caller may be gone before it is done: half a stop would leave processes that
                # neither serve nor end.
                await asyncio.shield(asyncio.create_task(self._do(verbs[verb])))
                return Answer(200, await region.show())
        except RegionError as error:
            return Answer(409, {"error": str(error)})
        except MusterError as error:
            return Answer(500, {"error": str(error)})
        return Answer(404, {"error": f"no {request.method} {request.path}"})

    async def _do(self, verb: Callable[[], Awaitable[None]]) -> None:
        try:
            await verb()
        finally:
            self._changed()

    async def _drain(self, request: Request, region: Region) -> Answer:
        state = _state(request)
        if state not in DRAIN_STATES:
            return Answer(400, {"error": f"body: got {state!r}, expected one of {DRAIN_STATES}"})
        await region.drain(state)
        return Answer(200, {"region": region.name, "state": state})

    async def _partition(self, request: Request, region: Region) -> Answer:
        state = _state(request)
        if state not in PARTITION_STATES:
            wanted = f"one of {PARTITION_STATES}"
            return Answer(400, {"error": f"body: got {state!r}, expected {wanted}"})
        await asyncio.shield(asyncio.create_task(region.partition(state)))
        return Answer(200, {"region": region.name, "state": await region.partition_state()})


def _state(request: Request) -> Any:
    """`state` in the request's body; None without one."""
    try:
        return json.loads(request.body)["state"]
    except (ValueError, KeyError, TypeError):
        return None
