"""What the load does after a pause of its own: no burst, and nothing hidden."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import urllib.request

import pytest
from load_peers import REGION, config, engine_of, peer, plain, running, traffic, until
from test_load_process import endpoint as _endpoint
from test_load_process import plan

from muster.load import start

endpoint = _endpoint


class Clock:
    """Time that stands still unless it is moved."""

    def __init__(self) -> None:
        self.t = 1000.0

    def __call__(self) -> float:
        return self.t


def held(given):
    """An engine on a clock that stands still, with its schedule begun and no beat of its own."""
    engine = engine_of(given)
    clock = Clock()
    engine.now_s = clock
    engine.start_s = engine._due_s = clock.t
    engine.arriving = True
    return engine, clock


def advance(engine, clock, seconds):
    """The beat that comes `seconds` after the last one."""
    clock.t += seconds
    engine._advance(clock.t)
    engine._due_s = clock.t


@pytest.mark.parametrize(
    ("pause_s", "burst"), [(0.05, True), (0.5, True), (0.99, True), (1.1, False), (10.0, False)]
)
def test_overdue_arrivals_are_caught_up_after_a_short_pause_alone(pause_s, burst):
    """About 100 arrivals a second: after a long pause those of its last moment are started."""

    async def body():
        engine, clock = held(config(9, traffic=traffic(canaries_per_s=0)))
        for _ in range(200):
            advance(engine, clock, 0.01)
        before = engine.tally.offered
        assert (engine.tally.late, engine.scheduled()) == (0, before)
        advance(engine, clock, pause_s)
        offered, due = engine.tally.offered - before, engine.scheduled() - before
        engine.stop()
        return offered, due, engine.tally.late

    offered, due, late = asyncio.run(body())
    assert due == pytest.approx(100 * pause_s, abs=5 + 4 * (100 * pause_s) ** 0.5)
    if burst:
        assert offered == due
    else:
        assert offered <= 30  # of the last 0.1 s
        assert late == due - offered


def test_canaries_and_retries_of_a_pause_do_not_burst_either():
    """Canaries that came due are left out, retries wait anew, canaries under way tell nothing."""

    async def body():
        given = traffic(streams=0.01, canaries_per_s=50, attempts_max=3)
        engine, clock = held(config(9, traffic=given))
        advance(engine, clock, 0.05)
        under_way = list(engine.canaries_open)
        assert under_way
        attempt = engine_attempt(engine, clock)
        engine._retries.append((clock.t + 0.5, 0, attempt))
        advance(engine, clock, 10.0)
        assert all(canary.over for canary in under_way)
        assert sum(engine.tally.canaries.values()) == 0
        assert len(engine.canaries_open) <= 6
        [(due_s, _, again)] = engine._retries
        assert again is attempt
        assert due_s == attempt.intended_s > clock.t
        advance(engine, clock, 0.2)
        assert not engine._retries
        engine.stop()

    asyncio.run(body())


def engine_attempt(engine, clock):
    from muster.load.attempt import Attempt

    return Attempt(engine, clock.t, engine.population.pick(0.5), 5, 1, 2)


def scraped(handle, name):
    total = 0.0
    for address in handle.metrics:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + "{"):
                    total += float(line.rsplit(" ", 1)[1])
    return total


def test_a_stopped_shard_offers_no_burst_when_it_goes_on(endpoint, tmp_path):
    """A process that was stopped says that it offered less than its schedule, and how much."""
    with start(plan(endpoint, tmp_path, shards=1, profile=traffic(streams=20))) as handle:
        until_s = time.monotonic() + 30
        while scraped(handle, "muster_load_offered_total") < 20:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        [pid] = handle.pids
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(4)
        finally:
            os.kill(pid, signal.SIGCONT)
        scheduled = scraped(handle, "muster_load_scheduled_total")
        offered = scraped(handle, "muster_load_offered_total")
        late = scraped(handle, "muster_load_late_total")
    # 40 arrivals a second: of the four seconds nearly all are left out.
    assert scheduled - offered > 60
    assert late >= scheduled - offered


def test_a_429_in_any_form_answers_a_canary():
    """Plain text, an empty body and JSON are all an answer; a 503 is none."""

    async def body(answer):
        async def script(writer, tokens, number):
            writer.write(answer)

        given = traffic(streams=0.01, canaries_per_s=50)
        async with peer(script) as one, running(config(one.port, traffic=given)) as engine:
            await until(lambda: sum(engine.tally.canaries.values()) > 5)
            return {o: n for (r, o), n in engine.tally.canaries.items() if n and r == REGION}

    for text in (b"slow down", b"", b'{"error":{}}'):
        assert set(asyncio.run(body(plain(429, text)))) == {"answered"}
    assert set(asyncio.run(body(plain(503, b"")))) == {"unavailable_5xx"}


def test_a_canary_that_never_ends_is_unavailable():
    """A first byte in time is not enough: the stream must come to its end within as long again."""

    async def hang(writer, tokens, number):
        from load_peers import EVENT, HEAD, chunk

        writer.write(HEAD + chunk(EVENT))
        await writer.drain()
        await asyncio.sleep(60)

    async def body():
        given = traffic(streams=0.01, canaries_per_s=50)
        async with peer(hang) as one:
            async with running(config(one.port, canary_s_max=0.4, traffic=given)) as engine:
                await until(lambda: engine.tally.canaries[REGION, "unavailable_broken"] > 3)
                assert engine.tally.canaries[REGION, "answered"] == 0

    asyncio.run(body())
