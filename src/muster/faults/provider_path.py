"""Looks at a route of the provider by a small stream, on the gateways' own path."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from muster.clock import Clock
from muster.faults.model import FaultError
from muster.sse import carries_delta

TOKENS = 2
BODY = json.dumps(
    {
        "model": "muster-stub",
        "stream": True,
        "max_tokens": TOKENS,
        "messages": [{"role": "user", "content": "a look of Muster"}],
    }
)
LINES_MAX = 100
DATA = b"data:"


def look_at_stream(address: str, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """What one stream shows at `host:port`: `status`, `first_token_ms`, `outcome`.

    The outcome is `whole`, `refused` (no 200), `error in the stream`, `cut`, or, without an answer,
    `silent` (none within `timeout_s`) or `reset`. Raises FaultError if nothing took the request.
    """
    link = HTTPConnection(address, timeout=timeout_s)
    start_s = clock.monotonic_s()
    seen: dict[str, Any] = {"status": None, "first_token_ms": None, "outcome": "cut"}
    try:
        link.request("POST", "/v1/chat/completions", BODY, {"Content-Type": "application/json"})
        answer = link.getresponse()
        seen["status"] = answer.status
        if answer.status != 200:
            seen["outcome"] = "refused"
            return seen
        for line in (answer.readline().strip() for _ in range(LINES_MAX)):
            if not line.startswith(DATA):
                continue
            said = line.removeprefix(DATA).strip()
            if said == b"[DONE]":
                seen["outcome"] = "whole"
                return seen
            if "error" in json.loads(said):
                seen["outcome"] = "error in the stream"
                return seen
            if seen["first_token_ms"] is None and carries_delta(line + b"\n"):
                seen["first_token_ms"] = round((clock.monotonic_s() - start_s) * 1000, 1)
    except (OSError, HTTPException, ValueError) as error:
        if seen["status"] is None:
            seen["outcome"] = _without_an_answer(address, error)
    finally:
        link.close()
    return seen


def _without_an_answer(address: str, error: Exception) -> str:
    """What became of a request that got no answer. Raises FaultError if nothing took it."""
    if isinstance(error, TimeoutError):
        return "silent"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):  # closed counts as reset
        return "reset"
    raise FaultError(f"{address}: {error or type(error).__name__}") from error
