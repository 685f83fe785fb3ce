"""A gateway whose Redis or provider fails: the healthy one serves, each planted defect does not.

Real Redis, Toxiproxy, provider and gateway; what a whole drill judges is here one request.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis
from dataplane_fixtures import Stack, eventually

UNAVAILABLE = "chat_admission_failures_total"


def failures(stack: Stack) -> float:
    """How many admissions were decided without Redis."""
    return stack.metric(UNAVAILABLE, reason="redis_unavailable")


def up(stack: Stack, wanted: bool = True) -> None:
    """Wait until the gateway has Redis, or has noticed that it is away."""
    eventually(lambda: stack.metric("chat_redis_up") == wanted)


def fill(stack: Stack) -> None:
    """Redis rejects writes from now on."""
    stack.store.config_set("maxmemory-policy", "noeviction")
    stack.store.config_set("maxmemory", 1)


def others(stack: Stack) -> set[str]:
    """The ids of all clients of Redis but the test's own."""
    ours = str(stack.store.client_id())
    return {client["id"] for client in stack.store.client_list()} - {ours}


def end_connections(stack: Stack) -> set[str]:
    """End every connection to Redis but the test's own; the ids of those that were ended."""
    found = others(stack)
    for one in found:
        stack.store.client_kill_filter(_id=one)
    return found


def trouble(stack: Stack, route: str = "primary", **what: object) -> None:
    """That route of the provider does this to every request."""
    url = f"http://127.0.0.1:{stack.provider_admin}/trouble"
    told = stack.http.post(url, json={"route": route, "trouble": what})
    assert told.json()[route] == what


def test_a_redis_that_never_answers_is_left(bare):
    """Its own time limit is what keeps a gateway serving."""
    healthy = bare.gateway()
    up(healthy)
    healthy.toxic("redis", "timeout", timeout=0)
    assert healthy.chat(max_tokens=1).status_code == 200
    assert failures(healthy) >= 1


def test_a_gateway_that_waits_for_redis_never_answers(bare):
    """The planted defect: nothing is refused, nothing is served."""
    stack = bare.gateway(defect="waits_for_redis")
    up(stack)
    stack.toxic("redis", "timeout", timeout=0)
    with httpx.Client(timeout=3, trust_env=False) as http:
        stack.http, kept = http, stack.http
        with pytest.raises(httpx.TimeoutException):
            stack.chat(max_tokens=1)
        stack.http = kept
    assert failures(stack) == 0


@pytest.mark.parametrize(("defect", "in_turn"), [(None, False), ("asks_redis_in_turn", True)])
def test_requests_to_a_slow_redis_wait_together_or_in_turn(bare, defect, in_turn):
    """Eight requests wait for one delay, or for eight of them one after the other."""
    stack = bare.gateway(defect=defect, redis_timeout_s=30)
    up(stack)
    stack.toxic("redis", "latency", latency=600)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(stack.chat, max_tokens=1) for _ in range(8)]
        answers = [one.result(30) for one in asked]
    assert [answer.status_code for answer in answers] == [200] * 8
    longest_s = max(answer.elapsed.total_seconds() for answer in answers)
    if in_turn:
        assert longest_s >= 8 * 0.6


@pytest.mark.parametrize(("defect", "status"), [(None, 200), ("refuses_redis_errors", 503)])
def test_a_redis_that_rejects_writes_is_an_outage_or_a_refusal(bare, defect, status):
    """An error is no answer; the gateway decides by itself."""
    stack = bare.gateway(defect=defect)
    up(stack)
    assert stack.chat(max_tokens=1).status_code == 200
    fill(stack)
    assert [stack.chat(max_tokens=1).status_code for _ in range(3)] == [status] * 3
    assert failures(stack) >= 3
    stack.store.config_set("maxmemory", 0)
    eventually(lambda: stack.chat(max_tokens=1).status_code == 200)


@pytest.mark.parametrize(("defect", "status"), [(None, 200), ("loads_scripts_once", 503)])
def test_a_redis_that_lost_its_scripts_gets_them_again_or_is_refused(bare, defect, status):
    """As after a restart: what was loaded is gone."""
    stack = bare.gateway(defect=defect)
    up(stack)
    assert stack.chat(max_tokens=1).status_code == 200
    stack.store.script_flush()
    killed = end_connections(stack)
    eventually(lambda: others(stack) and not others(stack) & killed)
    up(stack)

    def settled() -> bool:
        return stack.chat(max_tokens=1).status_code == status

    eventually(settled)
    assert settled()


@pytest.mark.parametrize("defect", [None, "never_reconnects"])
def test_a_lost_connection_is_opened_again_or_never(bare, defect):
    """Without Redis for good, every admission is a failure for good."""
    stack = bare.gateway(defect=defect)
    up(stack)
    killed = end_connections(stack)
    if defect is None:
        eventually(lambda: others(stack) and not others(stack) & killed)
        up(stack)
        return
    up(stack, False)
    for _ in range(3):
        assert stack.chat(max_tokens=1).status_code == 200
    assert failures(stack) >= 3
    assert stack.metric("chat_redis_up") == 0


@pytest.mark.parametrize(
    ("what", "defect", "status"),
    [
        ({"status": 429}, None, 200),
        ({"status": 429}, "passes_on_429", 429),
        ({"status": 503}, None, 200),
        ({"status": 503}, "stays_on_route", 502),
        ({"reset": True}, None, 200),
        ({"reset": True}, "stays_on_route", 502),
        ({"silent": True}, None, 200),
        ({"stream_error": True}, None, 200),
    ],
)
def test_a_provider_in_trouble_is_left_for_the_other_route(bare, what, defect, status):
    """The client sees a whole stream, or what the defect hands on."""
    stack = bare.gateway(defect=defect, first_token_timeout_s=0.5)
    trouble(stack, **what)
    answer = stack.chat()
    assert answer.status_code == status
    if status == 200:
        assert answer.text.endswith("[DONE]\n\n")
        assert "error" not in answer.text
        assert answer.text.count('"role":"assistant"') == 1


def test_an_error_in_a_stream_is_handed_on_by_the_defect(bare):
    """200, and no text."""
    stack = bare.gateway(defect="passes_on_stream_errors")
    trouble(stack, stream_error=True)
    answer = stack.chat()
    assert answer.status_code == 200
    assert '{"error"' in answer.text


def test_a_silent_provider_is_waited_for_by_the_defect(bare):
    """It never takes the other route."""
    stack = bare.gateway(defect="stays_on_route", first_token_timeout_s=0.2)
    trouble(stack, silent=True)
    with httpx.Client(timeout=3, trust_env=False) as http:
        stack.http, kept = http, stack.http
        with pytest.raises(httpx.TimeoutException):
            stack.chat()
        stack.http = kept


@pytest.mark.parametrize(("defect", "status"), [(None, 200), ("impatient", 504)])
def test_two_slow_routes_are_waited_for_or_given_up(bare, defect, status):
    """The last route has no limit but with the defect, which tries both."""
    stack = bare.gateway(defect=defect, first_token_timeout_s=0.2, patience_s=0.2)
    for route in ("primary", "fallback"):
        trouble(stack, route, first_token_ms=1500)
    assert stack.chat().status_code == status
    for route in ("primary", "fallback"):
        assert stack.metric("chat_provider_route_requests_total", route=route) == 1


def test_an_exhausted_redis_refuses_the_gateway_which_serves_by_itself(bare):
    """Refused by Redis, as by a refused connection."""
    stack = bare.gateway()
    up(stack)
    clients = len(stack.store.client_list())
    stack.store.config_set("maxclients", clients)
    end_connections(stack)
    held = redis.Redis(port=stack.redis_port)

    def refused() -> bool:
        # Whoever is quicker gets the one connection that is free.
        try:
            return bool(held.ping()) and stack.metric("chat_redis_up") == 0
        except redis.ConnectionError:
            end_connections(stack)
            return False

    try:
        eventually(refused)
        assert stack.chat(max_tokens=1).status_code == 200
        assert failures(stack) >= 1
    finally:
        stack.store.config_set("maxclients", 10_000)
        held.close()
    up(stack)
