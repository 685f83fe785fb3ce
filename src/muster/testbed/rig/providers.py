"""The trouble of stubs of one kind: set at every one of them, and shown if all agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from muster.testbed.design.parts import ProcessSpec
from muster.testbed.rig.small_http import Answer, Request

TIMEOUT_S = 3.0


async def trouble(
    client: httpx.AsyncClient, stubs: Sequence[ProcessSpec], request: Request
) -> Answer:
    """Hand the request to every stub; their common answer, or 502 with the answer of each."""
    found = await asyncio.gather(*(_ask(client, stub, request) for stub in stubs))
    if any(one != found[0] for one in found):
        said = "; ".join(f"{stub.name}: {one}" for stub, one in zip(stubs, found, strict=True))
        return Answer(502, {"error": f"the stubs disagree: {said}"})
    return Answer(*found[0])


async def _ask(
    client: httpx.AsyncClient, stub: ProcessSpec, request: Request
) -> tuple[int, dict[str, Any]]:
    url = f"{stub.admin_url}/trouble"
    try:
        answer = await client.request(request.method, url, content=request.body, timeout=TIMEOUT_S)
        shown: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return 502, {"error": f"{stub.name}: {type(error).__name__}"}
    return answer.status_code, shown
