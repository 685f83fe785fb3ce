"""A small HTTP/1.1 server for a few callers: the control API, metrics, the Toxiproxy front.

Not for traffic: one task for each connection, a body of at most 64 KiB, keep-alive, no chunked
requests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

BODY_BYTES_MAX = 64 * 1024
IDLE_S_MAX = 30.0


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer; a `str` body is sent as it is, anything else as JSON."""

    status: int
    body: Any = None
    content_type: str | None = None


Handler = Callable[[Request], Awaitable[Answer]]


async def serve(host: str, port: int, handler: Handler) -> asyncio.Server:
    """Listen and answer with `handler`; an exception that it raises becomes a 500."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one(reader, writer, handler):
                pass
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            pass  # a peer that disconnected or does not speak HTTP
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(connection, host, port)


async def _one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> bool:
    """One request and its answer; whether the connection stays open."""
    async with asyncio.timeout(IDLE_S_MAX):
        first = (await reader.readline()).decode("latin-1").split()
        if len(first) != 3:
            return False
        headers: dict[str, str] = {}
        while (line := await reader.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= BODY_BYTES_MAX:
            return False
        body = await reader.readexactly(length)
    keep = headers.get("connection", "").lower() != "close" and first[2] == "HTTP/1.1"
    try:
        answer = await handler(Request(first[0], first[1], headers, body))
    except Exception as error:  # a caller must get an answer, whatever went wrong
        answer = Answer(500, {"error": f"{type(error).__name__}: {error}"})
    writer.write(_encode(answer, keep))
    await writer.drain()
    return keep


def _encode(answer: Answer, keep: bool) -> bytes:
    if isinstance(answer.body, bytes):
        payload, kind = answer.body, "application/octet-stream"
    elif isinstance(answer.body, str):
        payload, kind = answer.body.encode(), "text/plain; charset=utf-8"
    elif answer.body is None:
        payload, kind = b"", "text/plain"
    else:
        payload, kind = json.dumps(answer.body).encode() + b"\n", "application/json"
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    head = (
        f"HTTP/1.1 {answer.status} {phrase}\r\n"
        f"Content-Type: {answer.content_type or kind}\r\n"
        f"Content-Length: {len(payload)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode("latin-1") + payload
