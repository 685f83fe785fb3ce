"""The load's engine against an endpoint that misbehaves on order."""

from __future__ import annotations

import asyncio
import time

import pytest
from load_peers import (
    DONE,
    END,
    EVENT,
    HEAD,
    REGION,
    ROLE,
    chunk,
    config,
    outcomes,
    peer,
    plain,
    running,
    streaming,
    traffic,
    until,
)

from muster.load import exposition


def series(page: str, name: str, **labels: str) -> float | None:
    for line in page.splitlines():
        if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return None


async def counted(given, wanted):
    async with running(given) as engine:
        await until(lambda: sum(outcomes(engine).values()) >= wanted)
        return engine, outcomes(engine)


def run(script, wanted=20, **changes):
    async def body():
        async with peer(script) as one:
            engine, found = await counted(config(one.port, **changes), wanted)
            return one, engine, found

    return asyncio.run(body())


def test_whole_streams_are_successes_on_kept_connections():
    """200 read to [DONE] and the last chunk is a success; connections are used again."""
    one, engine, found = run(streaming, wanted=50)
    assert set(found) == {"success"}
    assert one.connections < one.requests
    assert engine.tally.first_token[REGION].total >= 50
    assert engine.tally.completion[REGION].cells[-1] == 0


async def cut(writer, tokens, number):
    writer.write(HEAD + chunk(ROLE + EVENT))
    await writer.drain()
    writer.close()


async def without_done(writer, tokens, number):
    writer.write(HEAD + chunk(ROLE + EVENT) + END)


async def without_last_chunk(writer, tokens, number):
    writer.write(HEAD + chunk(ROLE + EVENT + DONE))
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("script", [cut, without_done, without_last_chunk])
def test_a_200_that_is_cut_is_no_success(script):
    """A stream without [DONE], or without the end of its message, is broken and over every edge."""
    _, engine, found = run(script)
    assert set(found) == {"broken"}
    completion = engine.tally.completion[REGION]
    assert completion.cells[-1] == completion.total >= 20
    assert engine.tally.first_token[REGION].cells[-1] == 0


@pytest.mark.parametrize(
    ("status", "outcome"), [(429, "http_429"), (503, "http_5xx"), (401, "http_4xx")]
)
def test_rejects_are_told_apart_and_enter_no_latency(status, outcome):
    """429 is neither success nor 5xx, and a fast reject betters no percentile."""

    async def reject(writer, tokens, number):
        writer.write(plain(status))

    _, engine, found = run(reject)
    assert set(found) == {outcome}
    assert engine.tally.first_token[REGION].total == 0
    assert engine.tally.completion[REGION].total == 0
    assert engine.tally.answers[REGION, str(status), "scheduled"] >= 20


def test_a_closed_port_is_refused_and_a_reset_before_the_head_is_a_reset():
    """Both are failures before headers, and neither enters a latency."""

    async def reset(writer, tokens, number):
        writer.transport.abort()

    _, engine, found = run(reset)
    assert set(found) == {"reset"}

    async def body():
        async with peer() as one:
            port = one.port
        return await counted(config(port), 10)

    engine, found = asyncio.run(body())
    assert set(found) == {"refused"}
    assert engine.tally.completion[REGION].total == 0


def test_a_reused_connection_that_ends_without_a_byte_is_sent_again_once():
    """The same attempt on a new connection: one success, one resend, no second attempt."""

    async def once_each(writer, tokens, number):
        if number == 2:
            writer.transport.abort()
        else:
            writer.write(HEAD + chunk(ROLE + EVENT) + chunk(DONE) + END)

    one, engine, found = run(once_each, wanted=10, traffic=traffic(streams=5))
    assert set(found) == {"success"}
    assert engine.tally.resends[REGION] == 1
    assert sum(found.values()) <= engine.tally.offered
    assert one.requests >= sum(found.values()) + 1


def test_retries_are_bounded_and_stand_outside_the_schedule():
    """At most attempts_max of a request, counted as retries; the schedule goes on unchanged."""

    async def reject(writer, tokens, number):
        writer.write(plain(503))

    async def body():
        given = traffic(streams=20, attempts_max=3, backoff_s=(0.02, 0.04))
        async with peer(reject) as one, running(config(one.port, traffic=given)) as engine:
            await until(lambda: sum(outcomes(engine).values()) >= 60)
            return engine.tally, sum(attempt.tries == 1 for attempt in engine.open)

    tally, under_way = asyncio.run(body())
    retries = tally.attempts[REGION, "http_5xx", "retry"]
    scheduled = tally.attempts[REGION, "http_5xx", "scheduled"]
    assert 0 < retries <= 2 * scheduled
    assert tally.offered == scheduled + under_way


def test_retry_after_is_honoured():
    """A server that asks for 30 s sees no retry within the test."""

    async def reject(writer, tokens, number):
        writer.write(plain(429, extra="Retry-After: 30\r\n"))

    _, engine, _ = run(reject, wanted=30, traffic=traffic(attempts_max=3, backoff_s=(0.01, 0.02)))
    assert engine.tally.attempts[REGION, "http_429", "retry"] == 0
    waits = [entry[0] - time.monotonic() for entry in engine._retries]
    assert all(wait > 25 for wait in waits)


def test_an_open_stream_older_than_the_threshold_shows():
    """A stream that hangs is over T while it is open: it cannot better a percentile by waiting."""

    async def hang(writer, tokens, number):
        writer.write(HEAD + chunk(ROLE))
        await writer.drain()
        await asyncio.sleep(60)

    async def body():
        async with peer(hang) as one:
            async with running(config(one.port, traffic=traffic(streams=5))) as engine:
                await until(lambda: engine.open_over("first_token", 0.5)[REGION] > 2)
                page = exposition.registry_of(engine).render().decode()
                labels = {"region": REGION, "phase": "completion", "le": "0.5"}
                assert (series(page, "muster_load_open_over", **labels) or 0) > 2
                assert engine.open_over("first_token", 600)[REGION] == 0

    asyncio.run(body())


def test_a_stall_shows_in_latencies_from_the_intended_start():
    """Timed from the sending alone, what was held up looks fast: that reading is not ours."""
    ages_s = {}

    def ended(attempt, outcome, age_s):
        ages_s[attempt] = age_s

    async def body():
        async with peer() as one:
            async with running(config(one.port, catch_up_s_max=600)) as engine:
                await until(lambda: outcomes(engine).get("success", 0) > 5)
                engine._on_ended = ended
                late, began_s = engine.tally.late, engine.now_s()
                time.sleep(0.8)  # neither the endpoint nor the client runs
                over_s = engine.now_s()

                def caught_up():
                    started = engine.start_s + engine._next.at_s > over_s
                    return started and all(one.intended_s > over_s for one in engine.open)

                await until(caught_up)
                return began_s, over_s, engine.tally.late - late

    began_s, over_s, late = asyncio.run(body())
    held_up = [one for one in ages_s if began_s < one.intended_s <= over_s - 0.3]
    assert len(held_up) >= 20
    for one in held_up:
        assert ages_s[one] >= over_s - one.intended_s
        assert one.sent_s >= over_s  # so the other reading leaves the whole stall out
    assert late >= len(held_up)


def test_a_stream_past_its_bound_is_ended_as_broken():
    """Nothing waits for ever."""

    async def endless(writer, tokens, number):
        writer.write(HEAD + chunk(ROLE + EVENT))
        await writer.drain()
        await asyncio.sleep(60)

    _, _, found = run(endless, wanted=5, stream_s_max=0.3, traffic=traffic(streams=5))
    assert set(found) == {"broken"}


def test_no_head_in_time_is_a_timeout():
    """An endpoint that takes the request and says nothing."""

    async def silent(writer, tokens, number):
        await asyncio.sleep(60)

    _, engine, found = run(silent, wanted=5, first_byte_s_max=0.3, traffic=traffic(streams=5))
    assert set(found) == {"timeout"}
    assert engine.tally.completion[REGION].total == 0


def test_canaries_are_counted_apart_and_go_on_while_arrivals_stop():
    """Own requests of one token, in no attempt and no histogram; sent until the end."""

    async def body():
        async with peer() as one:
            given = config(one.port, traffic=traffic(streams=0.01, canaries_per_s=100))
            async with running(given) as engine:
                engine.stop_arrivals()
                await until(lambda: engine.tally.canaries[REGION, "answered"] > 20)
                assert engine.tally.offered == 0
                assert engine.tally.completion[REGION].total == 0
                assert set(one.tokens) == {1}

    asyncio.run(body())


def test_a_silent_endpoint_leaves_canaries_unavailable():
    """Without an answer in time a canary counts as unavailable, by its reason."""

    async def silent(writer, tokens, number):
        await asyncio.sleep(60)

    async def body():
        async with peer(silent) as one:
            given = config(
                one.port, canary_s_max=0.2, traffic=traffic(streams=0.01, canaries_per_s=50)
            )
            async with running(given) as engine:
                await until(lambda: engine.tally.canaries[REGION, "unavailable_timeout"] > 3)
                assert engine.tally.canaries[REGION, "answered"] == 0

    asyncio.run(body())


def test_the_loads_own_error_of_the_first_token_is_recorded():
    """Measured first token less the delay that the endpoint says it put in."""

    async def slow(writer, tokens, number):
        await asyncio.sleep(0.05)
        head = HEAD.replace(b"\r\n\r\n", b"\r\nopenai-processing-ms: 50\r\n\r\n")
        writer.write(head + chunk(EVENT) + chunk(DONE) + END)

    _, engine, _ = run(slow)
    errors = engine.tally.second.first_token_error_ms
    assert sum(errors.values()) >= 20
    assert min(errors) < 350  # under 50 ms without the 50 ms put in: 392 would be 50 ms


def test_every_known_region_shows_its_rare_counters_at_zero():
    """A counter that never moved is 0, not missing."""

    async def body():
        async with peer() as one:
            given = config(one.port, regions_by_address={"127.0.0.1": REGION, "127.0.0.2": "b"})
            async with running(given) as engine:
                return exposition.registry_of(engine).render().decode()

    page = asyncio.run(body())
    for region in (REGION, "b", "unknown"):
        labels = {"region": region, "outcome": "http_5xx", "kind": "retry"}
        assert series(page, "muster_load_attempts_total", **labels) == 0
        assert series(page, "muster_load_connections_total", region=region) is not None
        labels = {"region": region, "outcome": "unavailable_timeout"}
        assert series(page, "muster_load_canaries_total", **labels) == 0


def test_an_answer_may_name_its_region():
    """Where addresses do not tell regions apart, a header does, and nothing is counted twice."""

    async def named(writer, tokens, number):
        head = HEAD.replace(b"\r\n\r\n", b"\r\nX-Region: eu-north-1\r\n\r\n")
        writer.write(head + chunk(EVENT) + chunk(DONE) + END)

    _, engine, _ = run(named, regions_by_address={}, region_header="X-Region")
    tally = engine.tally
    assert tally.attempts["eu-north-1", "success", "scheduled"] >= 20
    assert tally.attempts["unknown", "success", "scheduled"] == 0
    assert tally.completion["eu-north-1"].total >= 20
    assert all(count >= 0 for count in tally.streams_open.values())


def test_a_reject_that_stays_open_is_in_no_latency():
    """An attempt answered 5xx whose body hangs is not over any threshold."""

    async def hanging(writer, tokens, number):
        writer.write(b"HTTP/1.1 503 X\r\nContent-Length: 10\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(60)

    async def body():
        async with peer(hanging) as one:
            async with running(config(one.port, traffic=traffic(streams=5))) as engine:
                await until(lambda: engine.tally.answers[REGION, "503", "scheduled"] > 3)
                await asyncio.sleep(0.7)
                oldest = next(iter(engine.open))
                assert engine.now_s() - oldest.intended_s > 0.5
                assert engine.open_over("completion", 0.5)[REGION] == 0

    asyncio.run(body())
