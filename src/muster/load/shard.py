"""One shard process: `python -m muster.load --config FILE` (or `-`: the first line of stdin).

It prints `ready <metrics port>`, runs until it is told to end (SIGTERM, SIGINT, `{"end": true}`,
the end of its standard input, its parent's death, `duration_s_max`), and leaves nothing behind. A
run of known length offers every arrival before its end, lets open streams end for `drain_s`, and
exports its last figures for `linger_s`, so that Prometheus can scrape them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from muster.load import exposition
from muster.load.config import Endpoint, ShardConfig, server_address
from muster.load.engine import Engine
from muster.load.lookup import ServerLookup, open_lookup
from muster.load.recorder import BEGAN, Recorder
from muster.load.schedule import Schedule, Source
from muster.load.tally import Tally
from muster.machine import raise_open_files, spare_the_collector
from muster.redact import keep, keep_url
from muster.targets.check import looks_secret, texts

LAST_ARRIVALS_S_MAX = 1.0
STDOUT = "-"
"""The record that goes to the standard output."""
Result = TypeVar("Result")


class Control:
    """Commands that arrive as JSON lines."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.engine: Engine | None = None
        self.recorder: Recorder | None = None
        self.start_at: float | None = None
        self.why = ""

    def command(self, line: str) -> None:
        """Handle one line. Anything that is no command is ignored: no accident may end the load."""
        try:
            order: Any = json.loads(line)
        except ValueError:
            return
        if not isinstance(order, dict):
            return
        if order.get("start"):
            self.started.set()
        if order.get("stop_arrivals") and self.engine is not None:
            self.engine.stop_arrivals()
        if order.get("end"):
            self.end()

    def begin(self, at_s: float) -> None:
        """Begin at that moment, in seconds since the epoch."""
        self.start_at = at_s
        self.started.set()

    def stop_arrivals_at(self, at_s: float) -> None:
        """Offer what is due before `at_s`, in seconds of the schedule, and nothing after it."""
        if self.engine is not None:
            self.engine.stop_arrivals_at(at_s)

    def fail(self, why: str) -> None:
        """End, because of `why`; the first reason counts."""
        self.why = self.why or why
        self.end()

    def end(self) -> None:
        self.ended.set()
        self.started.set()


Listen = Callable[[Control], Coroutine[Any, Any, None]]
"""Passes orders on to a control, for as long as there is somebody who gives them."""


def say_ready(port: int) -> None:
    """To the process that started this one."""
    print(f"ready {port}", flush=True)


async def run(
    config: ShardConfig, listen: Listen | None, ready: Callable[[int], None] = say_ready
) -> str:
    """Run one shard to its end; return why it failed, empty if it did not.

    `ready` is called with the metrics port. Raises BadInput or OSError before that if it cannot.
    """
    loop = asyncio.get_running_loop()
    control = Control()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, control.end)
    source = None
    if config.trace is not None:
        source, config = _traced(config, Path(config.trace))
    tally = Tally(
        config.regions_by_address.values(), config.first_token_edges_s, config.completion_edges_s
    )
    server = server_address(config.dns_server, "dns_server") if config.dns_server else None
    lookup = await open_lookup(Endpoint(config.url).host, server, loop)
    recorder = None
    if config.record is not None:
        directory = None if config.record == STDOUT else Path(config.record)
        recorder = Recorder(directory, config.shard, config.raw_share, late_s=config.late_s)
        _keep_secrets(config)
    engine = Engine(
        config,
        Schedule(
            config.traffic,
            scale=config.scale,
            seed=config.seed,
            shard=config.shard,
            shards=config.shards,
            source=source,
            until_s=config.duration_s_max if config.duration_s_max is not None else math.inf,
        ),
        tally,
        lookup,
        loop,
        recorder.ended if recorder is not None else None,
    )
    control.engine, control.recorder = engine, recorder
    page = await exposition.serve(config.metrics, exposition.registry_of(engine).render)
    ready(page.sockets[0].getsockname()[1])
    reading = loop.create_task(listen(control)) if listen is not None else None
    try:
        if config.wait_start:
            await control.started.wait()
        await _moment(config, control)
        if not control.ended.is_set():
            engine.start()
            if recorder is not None:
                recorder.note(BEGAN, time.time())
        await _seconds(config, control, engine, recorder)
        await _last_arrivals(control, engine)
        engine.stop_arrivals()
        await _drain(config, control, engine, recorder)
        engine.stop()
        if recorder is not None:
            recorder.close(engine)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(config.linger_s):
                await control.ended.wait()
    finally:
        engine.stop()
        if reading is not None:
            reading.cancel()
        if isinstance(lookup, ServerLookup):
            lookup.close()
        if recorder is not None:
            recorder.close(engine)
        page.close()
        await asyncio.sleep(0)
    return control.why


def _keep_secrets(config: ShardConfig) -> None:
    """Some platforms quote what they refuse: no line of the record may hold a secret of it."""
    tokens = (config.token.get_secret_value(), config.canary_token.get_secret_value())
    named = (text for key, text in texts(config.body) if looks_secret(key))
    for secret in (*tokens, *config.form.headers.values(), *named):
        keep(secret)
    keep_url(config.url)


async def _moment(config: ShardConfig, control: Control) -> None:
    """Wait for the start time that all shards were given, on however many machines they run."""
    start_at = config.start_at if control.start_at is None else control.start_at
    if start_at is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, start_at - time.time())):
                await control.ended.wait()


async def _seconds(
    config: ShardConfig, control: Control, engine: Engine, recorder: Recorder | None
) -> None:
    """Write the record once a second, until the end."""
    start_s = time.monotonic()
    tick = 0
    while not control.ended.is_set():
        tick += 1
        due_s = start_s + tick
        if config.duration_s_max is not None:
            due_s = min(due_s, start_s + config.duration_s_max)
        try:
            async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
                await control.ended.wait()
            return
        except TimeoutError:
            pass
        if config.duration_s_max is not None and due_s >= start_s + config.duration_s_max:
            return
        if config.parent_pid is not None and os.getppid() != config.parent_pid:
            return
        if recorder is not None:
            recorder.second(engine)


async def _last_arrivals(control: Control, engine: Engine) -> None:
    """Start every arrival that was due before the end: a complete run offers all of them."""
    until_s = time.monotonic() + LAST_ARRIVALS_S_MAX
    while not (engine.exhausted() or control.ended.is_set()) and time.monotonic() < until_s:
        await asyncio.sleep(0.002)


async def _drain(
    config: ShardConfig, control: Control, engine: Engine, recorder: Recorder | None
) -> None:
    """Let open streams end by themselves, within `drain_s` or until told to end."""
    start_s = time.monotonic()
    line_s = start_s + 1
    while engine.open and not control.ended.is_set():
        now_s = time.monotonic()
        if now_s - start_s >= config.drain_s:
            return
        if recorder is not None and now_s >= line_s:
            recorder.second(engine)
            line_s += 1
        await asyncio.sleep(0.02)


async def _read(stdin: asyncio.StreamReader, control: Control) -> None:
    while line := await stdin.readline():
        control.command(line.decode("utf-8", "replace"))
    control.end()


def _traced(config: ShardConfig, path: Path) -> tuple[Source, ShardConfig]:
    """The trace, and the stream time limit that follows from its longest stream."""
    from muster.load.trace import TraceSource

    source = TraceSource(path)
    longest = max(source.tokens_max, config.traffic.tokens_quantiles[-1][1])
    bound_s = config.stream_s_max or config.bound_s(longest)
    return source, config.model_copy(update={"stream_s_max": bound_s})


async def _main(config: ShardConfig, commands: bool) -> None:
    stdin = None
    if commands:
        loop = asyncio.get_running_loop()
        stdin = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await run(config, None if stdin is None else partial(_read, stdin))


def main(arguments: list[str]) -> int:
    """Exit code 2 and one line for an invalid configuration."""
    from muster.documents import parse
    from muster.errors import MusterError

    try:
        if len(arguments) != 2 or arguments[0] != "--config":
            print("usage: python -m muster.load --config FILE|- or --part", file=sys.stderr)
            return 2
        name = arguments[1]
        text = _first_line() if name == "-" else Path(name).read_text(encoding="utf-8")
        config = parse(ShardConfig, json.loads(text), name)
    except (MusterError, OSError, ValueError) as error:
        print(f"muster.load: {error}", file=sys.stderr)
        return 2
    raise_open_files()
    try:
        in_loop(_main(config, commands=name == "-"))
    except (MusterError, OSError) as error:
        print(f"muster.load: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    return 0


def in_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` in a loop that is fit for thousands of streams."""
    spare_the_collector()
    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def _first_line() -> str:
    """Byte by byte from the descriptor: a buffered reader would swallow the commands after it."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode("utf-8")
