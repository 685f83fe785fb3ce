"""A scripted endpoint on a free port, and the load's engine run against it in one loop."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from muster.load.config import ShardConfig
from muster.load.engine import Engine
from muster.load.lookup import LiteralLookup
from muster.load.schedule import Schedule
from muster.load.tally import Tally
from muster.load.traffic import Traffic

REGION = "eu-west-1"
EVENT = b'data: {"choices":[{"delta":{"content":"ahoy"}}]}\n\n'
ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def plain(status: int, body: bytes = b'{"error":{"message":"no"}}', extra: str = "") -> bytes:
    """A whole answer that is no stream."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


STREAM = HEAD + chunk(ROLE + EVENT) + chunk(DONE) + END


class Peer:
    """Answers every request through `script(writer, tokens, number)`; counts what came."""

    def __init__(self, script: Callable[[asyncio.StreamWriter, int, int], Awaitable[None]]) -> None:
        self.script = script
        self.requests = 0
        self.connections = 0
        self.tokens: Counter[int] = Counter()
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                assert length
                body = await reader.readexactly(int(length[1]))
                asked = re.search(rb'"max_tokens":(\d+)', body)
                assert asked
                self.requests += 1
                self.tokens[int(asked[1])] += 1
                await self.script(writer, int(asked[1]), self.requests)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def streaming(writer: asyncio.StreamWriter, tokens: int, number: int) -> None:
    """The well-behaved answer."""
    writer.write(STREAM)


@asynccontextmanager
async def peer(script: Any = streaming):
    """A peer that listens while the block runs."""
    one = Peer(script)
    server = await asyncio.start_server(one.handle, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


def traffic(**changes: Any) -> Traffic:
    """Short streams, no ramp, no canaries: 100 arrivals a second unless told otherwise."""
    given: dict[str, Any] = {
        "streams": 50,
        "tokens_quantiles": ((0, 10), (1, 30)),
        "tokens_per_s": 50,
        "first_token_s_mean": 0.1,
        "resolver_caches": 4,
        "canaries_per_s": 0,
        "attempts_max": 1,
        "backoff_s": (0.05, 0.1),
    }
    return Traffic.model_validate({**given, **changes})


def config(port: int, **changes: Any) -> ShardConfig:
    given: dict[str, Any] = {
        "url": f"http://127.0.0.1:{port}/v1/chat/completions",
        "traffic": traffic(),
        "regions_by_address": {"127.0.0.1": REGION},
        "token": "sk-load",
        "canary_token": "sk-canary",
        "canary_s_max": 5.0,
        "late_s": 0.1,
        "catch_up_s_max": 1.0,
        "faster_than_asked_max": 4.0,
        "first_token_edges_s": (0.05, 0.1, 0.5, 1, 2, 3),
        "completion_edges_s": (0.05, 0.1, 0.5, 1, 2, 3),
        "first_token_over_s": (0.1, 0.5),
        "completion_over_s": (0.1, 0.5),
    }
    return ShardConfig.model_validate({**given, **changes})


def engine_of(given: ShardConfig, lookup: Any = None) -> Engine:
    """An engine in the running loop, not started."""
    tally = Tally(
        given.regions_by_address.values(), given.first_token_edges_s, given.completion_edges_s
    )
    return Engine(
        given,
        Schedule(given.traffic, scale=given.scale, seed=given.seed),
        tally,
        lookup or LiteralLookup("127.0.0.1"),
        asyncio.get_running_loop(),
    )


@asynccontextmanager
async def running(given: ShardConfig, lookup: Any = None):
    """An engine that runs while the block does."""
    engine = engine_of(given, lookup)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
        await asyncio.sleep(0)


async def until(check: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for `check` within a bound."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.01)


def outcomes(engine: Engine) -> dict[str, int]:
    """What ended, whatever the region and kind."""
    found: Counter[str] = Counter()
    for (_, outcome, _), count in engine.tally.attempts.items():
        found[outcome] += count
    return {name: count for name, count in found.items() if count}
