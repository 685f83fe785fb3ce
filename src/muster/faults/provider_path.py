"""Looks at a route of the provider by a small stream, on the gateways' own path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from muster.clock import Clock
from muster.faults.model import FaultError
from muster.sse import carries_delta

TOKENS = 2
MODEL = "muster-stub"
EVENTS = 4
"""The events of a small stream that repeat the model's name: role, twice content, finish."""
LINES_MAX = 100
DATA = b"data:"
DONE = b"data: [DONE]\n\n"


def look_at_stream(
    address: str, timeout_s: float, clock: Clock, tokens: int = TOKENS
) -> dict[str, Any]:
    """What one stream of `tokens` shows at `host:port`: `status`, `first_token_ms`, `outcome`.

    The outcome is `whole`, `refused` (no 200), `error in the stream`, `cut`, or, without an answer,
    `silent` (none within `timeout_s`) or `reset`. Raises FaultError if nothing took the request.
    """
    link = HTTPConnection(address, timeout=timeout_s)
    start_s = clock.monotonic_s()
    seen: dict[str, Any] = {"status": None, "first_token_ms": None, "outcome": "cut"}
    try:
        answer = _asked(link, tokens)
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


def said(look: Mapping[str, Any]) -> str:
    """What a look at a stream shows, in words."""
    if look.get("status") is None:
        return str(look["outcome"])
    token_ms = look.get("first_token_ms")
    token = "no token" if token_ms is None else f"the first token after {token_ms:g} ms"
    return f"HTTP {look['status']}, {token}, {look['outcome']}"


def look_at_pace(address: str, size: int, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """How fast one stream of about `size` bytes comes at `host:port`: `kb_per_s`.

    Raises FaultError if it is not answered with 200, or does not come whole within `timeout_s`.
    """
    link = HTTPConnection(address, timeout=timeout_s)
    end_s = clock.monotonic_s() + timeout_s
    try:
        answer = _asked(link, TOKENS, "x" * max(1, size // EVENTS))
        text = answer.read1()
        begun_s = clock.monotonic_s()
        while (piece := answer.read1()) and clock.monotonic_s() < end_s:
            text += piece
        took_s = clock.monotonic_s() - begun_s
    except (OSError, HTTPException) as error:
        raise FaultError(f"{address}: {error or type(error).__name__}") from error
    finally:
        link.close()
    if answer.status != 200 or not text.endswith(DONE):
        raise FaultError(f"{address}: HTTP {answer.status}, and {len(text)} bytes of a stream")
    return {"kb_per_s": round(len(text) / 1000 / max(took_s, 1e-3), 1)}


def _asked(link: HTTPConnection, tokens: int, model: str = MODEL) -> HTTPResponse:
    """The head of the answer to a request for a stream of `tokens`."""
    body = {
        "model": model,
        "stream": True,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "a look of Muster"}],
    }
    headers = {"Content-Type": "application/json"}
    link.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    return link.getresponse()


def _without_an_answer(address: str, error: Exception) -> str:
    """What became of a request that got no answer. Raises FaultError if nothing took it."""
    if isinstance(error, TimeoutError):
        return "silent"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):  # closed counts as reset
        return "reset"
    raise FaultError(f"{address}: {error or type(error).__name__}") from error
