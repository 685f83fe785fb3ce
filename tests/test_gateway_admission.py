"""Admission through a real Redis behind a real Toxiproxy: limits, queue, outage, healing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from dataplane_fixtures import CANARY, REGION, SHORT, TOKEN, Stream, close, eventually, hold

HELD = f"muster:{REGION}:held"


def test_over_the_limit_a_request_queues_for_a_bounded_time_then_429(bare):
    """Its age shows in the metrics; Retry-After tells when to come again; 429 enters no latency."""
    stack = bare.gateway(streams_limit_region=3, queue_s_max=0.8)
    streams = hold(stack, 3)
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(stack.chat)
        with httpx.Client(trust_env=False) as http:
            stack.http, kept = http, stack.http
            eventually(lambda: stack.metric("chat_queue_oldest_job_age_seconds") > 0.3)
            assert stack.metric("chat_queue_jobs") == 1
            stack.http = kept
        answer = waiting.result()
    assert 0.7 < time.monotonic() - began < 5
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert stack.metric("http_server_requests_total", code="429") == 1
    assert stack.metric("gen_ai_server_request_duration_seconds_count") == 0
    assert stack.metric("chat_queue_oldest_job_age_seconds") == 0
    close(streams)


def test_a_queued_request_goes_as_soon_as_a_stream_ends(bare):
    """First come, first served, without waiting out its bound."""
    stack = bare.gateway(streams_limit_region=1, queue_s_max=8)
    (stream,) = hold(stack, 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.chat)
        time.sleep(0.2)
        stream.close()
        answer = waiting.result(5)
    assert answer.status_code == 200
    assert answer.text.endswith("[DONE]\n\n")


def test_a_full_queue_refuses_at_once(bare):
    """No more jobs wait than queue_jobs_max."""
    stack = bare.gateway(streams_limit_region=1, queue_jobs_max=0, queue_s_max=30)
    streams = hold(stack, 1)
    began = time.monotonic()
    assert stack.chat().status_code == 429
    assert time.monotonic() - began < 5
    close(streams)


def test_gateways_share_one_limit_and_a_dead_one_gives_its_part_back(bare):
    """Each sees the other's streams; after a crash its number goes with its heartbeat."""
    for _ in range(2):
        bare.gateway(streams_limit_region=6, queue_s_max=0.1, gateways_in_region=2)
    stack = bare
    streams = hold(stack, 6)
    active = [stack.metric("chat_streams_active", index) for index in (0, 1)]
    assert sum(active) == 6
    assert stack.chat().status_code == 429
    victim = 0 if active[0] >= active[1] else 1
    stack.gateways[victim].kill()
    stack.gateways[victim].wait()
    eventually(lambda: stack.chat().status_code == 200, 12)
    held = stack.store.hgetall(HELD)
    assert len(held) == 1
    close(streams)
    eventually(lambda: set(stack.store.hgetall(HELD).values()) == {"0"})


def test_the_rate_is_limited_for_the_region(bare):
    """More than the rate in a second waits or is refused; the next second admits again."""
    stack = bare.gateway(rate_limit_per_s_region=5, queue_s_max=0.01)
    with ThreadPoolExecutor(20) as pool:
        codes = [a.status_code for a in pool.map(lambda _: stack.chat(max_tokens=1), range(20))]
    assert 5 <= codes.count(200) <= 12
    assert codes.count(429) == 20 - codes.count(200)
    eventually(lambda: stack.chat(max_tokens=1).status_code == 200, 3)


def test_canaries_pass_the_same_admission_but_hold_nothing(bare):
    """A full region refuses a canary too; an open canary takes nobody's place."""
    stack = bare.gateway(streams_limit_region=1, queue_s_max=0.05)
    canary = Stream(stack, 400, CANARY)
    canary.until(b"content")
    streams = hold(stack, 1)
    assert stack.chat(token=CANARY).status_code == 429
    assert stack.metric("chat_canary_requests_total", code="429") == 1
    assert stack.metric("http_server_requests_total", code="429") == 0
    close([canary, *streams])


def test_a_lost_script_is_sent_again(bare):
    """After SCRIPT FLUSH requests go on, and none is decided without Redis."""
    stack = bare.gateway()
    stack.store.script_flush()
    assert stack.chat().status_code == 200
    assert stack.metric("chat_admission_failures_total") == 0
    assert stack.metric("chat_redis_up") == 1


def test_a_redis_outage_is_bridged_counted_and_heals(bare):
    """The fallback admits the gateway's part; each decision counts; Redis takes over again."""
    stack = bare.gateway(streams_limit_region=4, gateways_in_region=2, queue_s_max=0.05)
    stack.enable("redis", False)
    eventually(lambda: stack.metric("chat_redis_up") == 0)
    streams = hold(stack, 2)
    assert stack.chat().status_code == 429, "half of 4 is this gateway's part"
    assert stack.ready()
    reason = {"reason": "redis_unavailable"}
    counted = stack.metric("chat_admission_failures_total", **reason)
    assert counted >= 3
    assert stack.metric("chat_admission_failures_total", reason="token_validation") == 0
    stack.enable("redis", True)
    eventually(lambda: stack.metric("chat_redis_up") == 1)
    counted = stack.metric("chat_admission_failures_total", **reason)
    streams += hold(stack, 2)
    assert stack.metric("chat_admission_failures_total", **reason) == counted
    assert list(stack.store.hgetall(HELD).values()) == ["4"]
    close(streams)
    eventually(lambda: list(stack.store.hgetall(HELD).values()) == ["0"])


def test_past_the_fallbacks_bound_the_region_is_not_ready_until_redis_is_back(bare):
    """New streams get 503 and readyz turns 503; open streams finish; it heals by itself."""
    stack = bare.gateway(redis_fallback_s_max=1.0)
    streams = hold(stack, 1, tokens=800)
    stack.enable("redis", False)
    eventually(lambda: stack.metric("chat_redis_up") == 0)
    assert stack.ready()
    assert stack.chat().status_code == 200
    eventually(lambda: not stack.ready())
    refused = stack.chat()
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "redis_unavailable"
    assert stack.http.get(f"{stack.url}/readyz").status_code == 503
    assert stack.http.get(f"{stack.url}/healthz").status_code == 200
    assert streams[0].until(b"[DONE]").endswith(b"0\r\n\r\n")
    stack.enable("redis", True)
    eventually(stack.ready)
    assert stack.chat().status_code == 200
    close(streams)


def test_a_redis_that_hangs_is_an_outage(bare):
    """A connection that accepts and says nothing holds no request up for long."""
    stack = bare.gateway(queue_s_max=0.05)
    stack.toxic("redis", "timeout", timeout=0)
    began = time.monotonic()
    assert stack.chat(max_tokens=1).status_code == 200
    assert time.monotonic() - began < 3
    assert stack.metric("chat_admission_failures_total", reason="redis_unavailable") >= 1
    assert stack.metric("chat_redis_up") == 0
    stack.heal("redis")
    eventually(lambda: stack.metric("chat_redis_up") == 1)


def test_a_restarted_redis_learns_what_is_held(bare):
    """Counts are absolute: an empty Redis is right again after a heartbeat."""
    stack = bare.gateway()
    streams = hold(stack, 3)
    stack.store.flushall()
    eventually(lambda: list(stack.store.hgetall(HELD).values()) == ["3"])
    close(streams)


def test_without_redis_fallback_every_new_stream_is_refused(bare):
    """The planted defect: 503 as soon as Redis is away, while it still says it is ready."""
    stack = bare.gateway(defect="no_redis_fallback")
    assert stack.chat().status_code == 200
    stack.enable("redis", False)
    eventually(lambda: stack.metric("chat_redis_up") == 0)
    assert [stack.chat().status_code for _ in range(3)] == [503] * 3
    assert stack.ready()
    stack.enable("redis", True)
    eventually(lambda: stack.chat().status_code == 200)


def test_a_start_without_redis_serves_by_the_fallback(bare):
    """A gateway that never saw Redis is ready within a moment and counts what it decides."""
    bare.enable("redis", False)
    stack = bare.gateway()
    body = {**SHORT, "stream": True}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = stack.http.post(f"{stack.url}/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    assert stack.metric("chat_admission_failures_total", reason="redis_unavailable") == 1
