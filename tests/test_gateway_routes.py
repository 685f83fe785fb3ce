"""The two provider routes: circuit, moved requests, broken streams; faults by a real Toxiproxy."""

from __future__ import annotations

import re
import time

from dataplane_fixtures import Stack, Stream, close, eventually, hold

CIRCUIT = {"window": 10, "failures_min": 3, "open_s": 1.0, "successes": 2}


def is_open(stack: Stack, route: str = "primary") -> bool:
    return stack.metric("chat_provider_circuit_open", route=route) == 1


def sent(stack: Stack, route: str) -> float:
    return stack.metric("chat_provider_route_requests_total", route=route)


def test_a_refusing_primary_is_left_and_taken_again(bare):
    """Users see only successes; the circuit opens, probes after its time and closes."""
    stack = bare.gateway(circuit=CIRCUIT)
    stack.enable("primary", False)
    assert [stack.chat().status_code for _ in range(4)] == [200] * 4
    assert is_open(stack)
    primary = sent(stack, "primary")
    assert stack.chat().status_code == 200
    assert sent(stack, "primary") == primary, "an open circuit keeps traffic away"
    stack.enable("primary", True)

    def closed() -> bool:
        assert stack.chat(max_tokens=1).status_code == 200
        return not is_open(stack)

    eventually(closed)
    primary = sent(stack, "primary")
    stack.chat()
    assert sent(stack, "primary") == primary + 1


def test_a_slow_primary_is_left_in_time_for_the_first_token(bare):
    """The request moves to the fallback, its first stream is given up, the circuit opens."""
    stack = bare.gateway(circuit=CIRCUIT, first_token_timeout_s=0.4)
    stack.toxic("primary", "latency", latency=3000)
    began = time.monotonic()
    answer = stack.chat()
    took = time.monotonic() - began
    assert answer.status_code == 200
    assert answer.text.count('"role":"assistant"') == 1, "nothing of the slow route is passed on"
    assert 0.4 <= took < 2.5
    page = f"http://127.0.0.1:{stack.provider_admin}/metrics"
    eventually(lambda: 'streams_open{route="primary"} 0' in stack.http.get(page).text)
    for _ in range(2):
        stack.chat()
    assert is_open(stack)
    began = time.monotonic()
    stack.chat()
    assert time.monotonic() - began < 2.5
    stack.heal("primary")
    eventually(lambda: stack.chat(max_tokens=1).status_code == 200 and not is_open(stack))


def test_when_both_routes_fail_the_answer_is_502_then_503(bare):
    """Failing says 502 with an error document; both circuits open says 503."""
    stack = bare.gateway(circuit={**CIRCUIT, "open_s": 30})
    stack.enable("primary", False)
    stack.enable("fallback", False)
    codes = [stack.chat().status_code for _ in range(6)]
    assert codes[:3] == [502] * 3
    assert codes[-1] == 503
    assert is_open(stack)
    assert is_open(stack, "fallback")
    assert stack.metric("http_server_requests_total", code="502") == codes.count(502)
    assert stack.metric("gen_ai_server_request_duration_seconds_count") == 0
    assert stack.metric("chat_streams_active") == 0


def test_a_stream_that_breaks_off_is_continued_on_the_other_route(bare):
    """One answer, every token of it once, its end, and nobody counts it as broken."""
    stack = bare.gateway(circuit={**CIRCUIT, "failures_min": 1})
    stream = Stream(stack, 300)
    stream.until(b'"content":" all"')
    stack.enable("primary", False)
    data = stream.until(b"[DONE]")
    assert data.count(b'"role":"assistant"') == 1
    said = re.findall(rb'"content":"([^"]*)"', data)
    assert len(b"".join(said).split()) == 300
    close([stream])
    assert stack.metric("chat_streams_continued_total") == 1
    assert stack.metric("chat_streams_broken_total") == 0
    assert sent(stack, "fallback") == 1
    assert is_open(stack), "a route that breaks streams off has failed"


def test_without_a_route_to_continue_on_a_stream_is_cut(bare):
    """By a gateway with the defect too, although the other route would take it."""
    stack = bare.gateway(defect="passes_on_breaks")
    (stream,) = hold(stack, 1)
    stack.enable("primary", False)
    assert b"[DONE]" not in stream.to_end()
    stream.close()
    assert stack.metric("chat_streams_broken_total") == 1
    assert sent(stack, "fallback") == 0


def test_a_stream_that_breaks_on_both_routes_is_cut_without_its_end(bare):
    """No `[DONE]`, no last chunk; counted as broken, and over every completion threshold."""
    stack = bare.gateway()
    (stream,) = hold(stack, 1)
    stack.enable("fallback", False)
    stack.enable("primary", False)
    data = stream.to_end()
    assert b"[DONE]" not in data
    assert not data.endswith(b"0\r\n\r\n")
    stream.close()
    assert stack.metric("chat_streams_broken_total") == 1
    name = "gen_ai_server_request_duration_seconds"
    assert stack.metric(f"{name}_count") == 1
    assert stack.metric(f"{name}_bucket", le="60.0") == 0
    assert stack.metric("gen_ai_server_time_to_first_token_seconds_bucket", le="2.0") == 1


def test_a_kept_connection_that_died_is_replaced_without_a_failure(bare):
    """One immediate resend, no circuit failure, no move to the fallback."""
    stack = bare.gateway(circuit={**CIRCUIT, "failures_min": 1})
    assert stack.chat().status_code == 200
    # The proxy drops its connections when it is disabled; the gateway may or may not have seen it.
    for _ in range(5):
        stack.enable("primary", False)
        stack.enable("primary", True)
        assert stack.chat().status_code == 200
    assert sent(stack, "fallback") == 0
    assert not is_open(stack)


def test_a_stream_that_falls_silent_is_cut(bare):
    """No byte for longer than silence_s_max breaks the stream."""
    stack = bare.gateway(silence_s_max=1.0)
    (stream,) = hold(stack, 1)
    stack.toxic("primary", "timeout", timeout=0)
    assert b"[DONE]" not in stream.to_end()
    stream.close()
    assert stack.metric("chat_streams_broken_total") == 1


def test_an_open_attempt_older_than_a_threshold_shows_before_it_ends(bare):
    """chat_requests_open_over counts what waits for a first token, and what has not closed."""
    stack = bare.gateway(
        edges_first_token_s=[0.2, 0.4], edges_completion_s=[0.5], first_token_timeout_s=30
    )
    name = "chat_requests_open_over"
    assert stack.metric(name) == 0
    stack.toxic("primary", "latency", latency=1500)
    stream = Stream(stack, 400)
    eventually(lambda: stack.metric(name, phase="first_token", le="0.4") == 1)
    assert stack.metric(name, phase="first_token", le="0.2") == 1
    stream.until(b'"content":" all"')
    eventually(lambda: stack.metric(name, phase="completion", le="0.5") == 1)
    assert stack.metric(name, phase="first_token") == 0
    stream.until(b"[DONE]")
    eventually(lambda: stack.metric(name) == 0)
    close([stream])


def test_a_provider_without_an_answer_is_504(bare):
    """Bounded also where no other route is asked."""
    stack = bare.gateway(answer_s_max=1.0, first_token_timeout_s=30)
    stack.toxic("primary", "timeout", timeout=0)
    assert stack.chat().status_code == 504
    assert stack.metric("chat_streams_active") == 0


def test_a_connection_that_idles_is_closed(bare):
    """By the sweep, after the bound."""
    stack = bare.gateway(circuit=CIRCUIT, upstream_idle_s_max=0.2)
    assert stack.chat().status_code == 200
    eventually(lambda: stack.metric("chat_provider_connections", route="primary") == 0)
