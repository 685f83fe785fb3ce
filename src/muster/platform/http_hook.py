"""Calls a target's own HTTP hooks, with time-outs; the token appears only in the header."""

from __future__ import annotations

from typing import Any

import httpx

from muster import effects
from muster.platform.port import Denied, PortError


def call(
    method: str,
    url: str,
    token: str | None,
    timeout_s: float,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the hook's JSON answer. Raises PortError unless it is 2xx and an object, in time."""
    if method != "GET":
        effects.ask()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(
            method, url, headers=headers, json=body, timeout=timeout_s, trust_env=False
        )
    except httpx.HTTPError as error:
        raise PortError(f"{method} {url}: {error or type(error).__name__}") from error
    if not 200 <= answer.status_code < 300:
        kind = Denied if answer.status_code in (401, 403) else PortError
        raise kind(f"{method} {url}: HTTP {answer.status_code} {answer.text[:200]}")
    try:
        shown = answer.json()
    except ValueError as error:
        raise PortError(f"{method} {url}: the answer is not JSON") from error
    if not isinstance(shown, dict):
        raise PortError(f"{method} {url}: the answer is not a JSON object")
    return shown
