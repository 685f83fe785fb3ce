"""A region's Toxiproxies: creates their proxies, reads them back, and puts several behind one API.

A big load needs more open files than one Toxiproxy may have, so a region then has several. The
front represents all of them in Toxiproxy's own API: a change goes to every server, and an answer is
given only if all agree, so that a fault on one server alone never counts as applied.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx

from muster.testbed.design.parts import ProcessSpec, Proxy
from muster.testbed.rig.processes import StartError
from muster.testbed.rig.small_http import Answer, Request

TIMEOUT_S = 3.0
HEADERS = {"User-Agent": "muster"}  # Toxiproxy refuses user agents that begin "Mozilla/"


async def answers(client: httpx.AsyncClient, spec: ProcessSpec) -> bool:
    """Whether one Toxiproxy lists its proxies in time; one that hangs accepts and does not
    answer.
    """
    try:
        url = f"{spec.admin_url}/proxies"
        return (await client.get(url, headers=HEADERS, timeout=TIMEOUT_S)).is_success
    except httpx.HTTPError:
        return False


async def create_proxies(client: httpx.AsyncClient, spec: ProcessSpec) -> None:
    """Create the proxies of one Toxiproxy and read them back. Raises StartError."""
    url = f"{spec.admin_url}/proxies"
    try:
        for proxy in spec.proxies:
            made = await client.post(url, json=wanted(proxy), headers=HEADERS, timeout=TIMEOUT_S)
            if made.status_code != 201:
                raise StartError(f"{spec.name}: {proxy.name}: {made.text.strip()[:200]}")
    except httpx.HTTPError as error:
        raise StartError(f"{spec.name}: {type(error).__name__} {error}") from error
    await check_proxies(client, spec)


async def check_proxies(client: httpx.AsyncClient, spec: ProcessSpec) -> None:
    """Read back the proxies of one Toxiproxy. Raises StartError if one is not as it should be."""
    try:
        url = f"{spec.admin_url}/proxies"
        shown = (await client.get(url, headers=HEADERS, timeout=TIMEOUT_S)).json()
    except (httpx.HTTPError, ValueError) as error:
        raise StartError(f"{spec.name}: {type(error).__name__} {error}") from error
    for proxy in spec.proxies:
        asked = wanted(proxy)
        found = {key: shown.get(proxy.name, {}).get(key) for key in asked}
        if found != asked:
            raise StartError(f"{spec.name}: wanted {asked}, reads back {found}")


class Front:
    """One Toxiproxy API for several servers; `listen` and `upstream` are the first one's."""

    def __init__(self, client: httpx.AsyncClient, specs: Sequence[ProcessSpec]) -> None:
        self._client = client
        self._specs = tuple(specs)

    async def handle(self, request: Request) -> Answer:
        """Ask every server; the common answer, or 502 with the answer of each."""
        answers = await asyncio.gather(*(self._ask(spec, request) for spec in self._specs))
        statuses = {status for status, _ in answers}
        if request.method == "DELETE" and statuses <= {204, 404} and 204 in statuses:
            # One of them had lost it before: the result is what was asked for.
            return Answer(204)
        bodies = [_common(body) for _, body in answers]
        if len(statuses) != 1 or any(body != bodies[0] for body in bodies):
            said = "; ".join(
                f"{spec.name}: {status} {json.dumps(body)[:120]}"
                for spec, (status, body) in zip(self._specs, answers, strict=True)
            )
            return Answer(502, {"error": f"the region's Toxiproxies disagree: {said}"})
        status, body = answers[0]
        return Answer(status, body)

    async def _ask(self, spec: ProcessSpec, request: Request) -> tuple[int, Any]:
        try:
            answer = await self._client.request(
                request.method,
                f"{spec.admin_url}{request.path}",
                content=self._body_for(spec, request.body),
                headers=HEADERS,
                timeout=TIMEOUT_S,
            )
        except httpx.HTTPError as error:
            return 502, type(error).__name__
        try:
            return answer.status_code, answer.json() if answer.content else None
        except ValueError:
            return answer.status_code, answer.text

    def _body_for(self, spec: ProcessSpec, body: bytes) -> bytes:
        """The body with the addresses that a proxy of that name has on that server."""
        try:
            data = json.loads(body)
        except ValueError:
            return body
        proxies = {proxy.name: proxy for proxy in spec.proxies}
        for one in data if isinstance(data, list) else [data]:
            own = proxies.get(str(one.get("name"))) if isinstance(one, dict) else None
            if own is None:
                continue
            for key, value in (("listen", own.listen), ("upstream", own.upstream)):
                if key in one:
                    one[key] = value
        return json.dumps(data).encode()


def wanted(proxy: Proxy) -> dict[str, Any]:
    """A proxy as Toxiproxy's API and its configuration file name it."""
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": True,
    }


def _common(body: Any) -> Any:
    """What must be the same everywhere: everything except the addresses."""
    if isinstance(body, dict):
        return {
            key: _common(value) for key, value in body.items() if key not in ("listen", "upstream")
        }
    if isinstance(body, list):
        return sorted((_common(item) for item in body), key=repr)
    return body
