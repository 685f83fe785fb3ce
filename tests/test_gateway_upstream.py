"""Requests that share connections to the provider; the other end is the `h2` library."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any

import h2.errors
import httpx
import pytest
from dataplane_fixtures import SHORT, TOKEN, Stack, Stream, close, eventually, hold
from h2_peer import CONTENT, OK, Conversation, begin, serving

from muster.testbed.gateway.upstream import LOST_AFTER_S, PING_AFTER_S, Pool, UpstreamConnection
from muster.testbed.wire import http2

CIRCUIT = {"window": 10, "failures_min": 5, "open_s": 1.0, "successes": 2}


def through(bare: Stack, address: list[object], **changes: Any) -> Stack:
    """A gateway with a primary at `address`, and the real provider as its fallback."""
    providers = {"primary": address, "fallback": ["127.0.0.1", bare.fallback]}
    return bare.gateway(providers=providers, circuit=CIRCUIT, **changes)


def sent(stack: Stack, route: str) -> float:
    return stack.metric("chat_provider_route_requests_total", route=route)


def connections(stack: Stack) -> float:
    return stack.metric("chat_provider_connections", route="primary")


def test_many_streams_share_a_connection(bare):
    """Twenty at once, on one; when they have ended it idles and is closed."""
    stack = bare.gateway(upstream_idle_s_max=0.5)
    stack.chat(max_tokens=1)
    streams = hold(stack, 20, tokens=200)
    assert connections(stack) == 1
    for stream in streams:
        data = stream.until(b"[DONE]")
        assert data.count(b"data: ") > 3
    close(streams)
    eventually(lambda: connections(stack) == 0)


def test_no_connection_carries_more_streams_than_the_provider_takes(bare):
    """Five at once with two a connection: three connections."""

    with serving(begin, streams_max=2) as peer:
        stack = through(bare, peer.address)
        streams = [Stream(stack, 10) for _ in range(5)]
        for stream in streams:
            stream.until(b'"content"')
        assert connections(stack) == 3
        assert max(len(one.asked) for one in peer.conversations) == 2
        close(streams)
        eventually(lambda: len(peer.resets) == 5)


def test_a_connection_that_closes_on_its_second_request_is_resent(bare):
    """The resend goes to a new connection of the same route, and is counted."""

    def behave(conversation: Conversation, stream_id: int) -> bool:
        if len(conversation.asked) == 1:
            conversation.answer(stream_id)
            return False
        return True

    with serving(behave) as peer:
        stack = through(bare, peer.address)
        assert [stack.chat().status_code for _ in range(3)] == [200] * 3
        assert stack.metric("chat_provider_resends_total") == 2
        assert sent(stack, "fallback") == 0
        assert stack.metric("chat_provider_circuit_open") == 0


def test_a_connection_that_closes_on_its_first_request_is_a_failure(bare):
    """It is the route's fault then: the other one answers."""
    with serving(lambda conversation, stream_id: True) as peer:
        stack = through(bare, peer.address)
        assert stack.chat().status_code == 200
        assert sent(stack, "fallback") == 1
        assert stack.metric("chat_provider_resends_total") == 0


def test_a_refused_stream_is_resent(bare):
    """The provider has not looked at it: no failure of the route."""

    def behave(conversation: Conversation, stream_id: int) -> None:
        if conversation.number == 0:
            conversation.h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        else:
            conversation.answer(stream_id)

    with serving(behave) as peer:
        stack = through(bare, peer.address)
        assert stack.chat().status_code == 200
        assert stack.metric("chat_provider_resends_total") == 1
        assert sent(stack, "fallback") == 0


def test_a_provider_that_goes_away_gets_no_new_streams(bare):
    """What is open ends as it should; what comes after goes to a new connection."""

    def behave(conversation: Conversation, stream_id: int) -> None:
        conversation.answer(stream_id)
        conversation.h2.close_connection(last_stream_id=stream_id)

    with serving(behave) as peer:
        stack = through(bare, peer.address)
        assert [stack.chat().text.count("[DONE]") for _ in range(3)] == [1] * 3
        assert [len(one.asked) for one in peer.conversations] == [1] * 3
        eventually(lambda: connections(stack) == 0)


@pytest.mark.parametrize("headers", [[(":status", "500")], [(":status", "304")]])
def test_a_failing_answer_moves_the_request_to_the_other_route(bare, headers):
    """The client sees nothing of it."""

    def behave(conversation: Conversation, stream_id: int) -> None:
        conversation.h2.send_headers(stream_id, headers, end_stream=True)

    with serving(behave) as peer:
        stack = through(bare, peer.address)
        answer = stack.chat()
        expected = "fallback" if headers[0][1] == "500" else "primary"
        assert answer.status_code == (200 if expected == "fallback" else 304)
        assert sent(stack, "fallback") == (expected == "fallback")


@pytest.mark.parametrize("defect", [None, "passes_on_breaks"])
def test_a_reset_before_the_first_content_moves_on_and_after_it_is_continued(bare, defect):
    """Held back, it is sent elsewhere; what the client has seen goes on there, or breaks."""

    def behave(conversation: Conversation, stream_id: int) -> None:
        conversation.h2.send_headers(stream_id, OK)
        seen = conversation.number == 0 and len(conversation.asked) == 2
        role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
        conversation.h2.send_data(stream_id, CONTENT if seen else role)
        conversation.flush()
        conversation.h2.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)

    with serving(behave) as peer:
        stack = through(bare, peer.address, defect=defect)
        assert "[DONE]" in stack.chat().text
        assert sent(stack, "fallback") == 1
        if defect is None:
            assert "[DONE]" in stack.chat().text
            assert sent(stack, "fallback") == 2
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                stack.chat()
        assert stack.metric("chat_streams_broken_total") == (defect is not None)


def test_trailers_end_a_stream(bare):
    """They are the provider's own; the client's stream ends as ever."""

    def behave(conversation: Conversation, stream_id: int) -> None:
        conversation.h2.send_headers(stream_id, [(":status", "103")])
        conversation.h2.send_headers(stream_id, OK)
        conversation.h2.send_data(stream_id, CONTENT)
        conversation.h2.send_headers(stream_id, [("x-checked", "yes")], end_stream=True)

    with serving(behave) as peer:
        stack = through(bare, peer.address)
        answer = stack.chat()
        assert answer.content == CONTENT
        assert "x-checked" not in answer.headers


def test_a_provider_without_http2_is_left(bare):
    """Whatever else it speaks; the request is answered by the other route."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            sock, _ = server.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                sock.recv(65536)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        stack = through(bare, ["127.0.0.1", server.getsockname()[1]])
        assert stack.chat().status_code == 200
        assert sent(stack, "fallback") == 1
        thread.join(5)


def test_a_provider_that_never_says_hello_is_left_in_time(bare):
    """A connection that stands, with nobody behind it, takes no request with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ["127.0.0.1", server.getsockname()[1]]
        stack = through(bare, address, first_token_timeout_s=0.3)
        assert stack.chat().status_code == 200
        assert sent(stack, "fallback") == 1


def test_requests_past_the_last_connection_go_the_other_way(bare):
    """The bound on connections holds, and nobody waits behind it."""

    with serving(begin, streams_max=1) as peer:
        stack = through(bare, peer.address, upstream_connections_max=2)
        streams = [Stream(stack, 10) for _ in range(2)]
        for stream in streams:
            stream.until(b'"content"')
        assert stack.chat().status_code == 200
        assert connections(stack) == 2
        assert sent(stack, "fallback") == 1
        close(streams)


def test_a_large_request_is_sent_in_pieces(bare):
    """Larger than a frame and than a stream's first window."""
    stack = bare.gateway()
    content = "x" * 300_000
    answer = stack.chat(messages=[{"role": "user", "content": content}], max_tokens=3)
    assert answer.status_code == 200
    assert "[DONE]" in answer.text


def test_a_silent_connection_is_asked_and_then_given_up():
    """A ping after a while; without an answer its streams are lost, and may be sent again."""

    class Transport:
        def __init__(self) -> None:
            self.out = b""
            self.closed = False

        def get_extra_info(self, name: str) -> Any:
            return socket.socket()

        def write(self, data: bytes) -> None:
            self.out += data

        def abort(self) -> None:
            self.closed = True

        close = abort

    class Waiting:
        """As much of an attempt as a stream needs."""

        stream = True
        begun = False
        tries = 1
        body = json.dumps(SHORT).encode()
        upstream: Any = None

        def __init__(self) -> None:
            self.lost: list[bool] = []

        def route_lost(self, *, resend: bool) -> None:
            self.lost.append(resend)

    async def test() -> None:
        pool = Pool(("127.0.0.1", 1), connections_max=1, idle_s_max=60)
        pool.open = pool._opening = 1
        connection = UpstreamConnection(pool)
        transport = Transport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(http2.frame(http2.SETTINGS, 0, 0))
        attempt: Any = Waiting()
        pool.send(attempt)
        await asyncio.sleep(0)
        transport.out = b""
        for _ in range(PING_AFTER_S):
            pool.sweep()
        await asyncio.sleep(0)
        assert transport.out == http2.frame(http2.PING, 0, 0, b"muster  ")
        connection.data_received(http2.frame(http2.PING, http2.ACK, 0, b"muster  "))
        for _ in range(LOST_AFTER_S):
            pool.sweep()
        assert not transport.closed, "it answered in between"
        pool.sweep()
        assert transport.closed
        connection.connection_lost(None)
        assert attempt.lost == [False], "nothing was ever answered on it"
        assert pool.open == 0

    asyncio.run(test())


def test_an_answer_that_is_no_stream_is_passed_on_whole(bare):
    """With its length, its status and its type."""

    def behave(conversation: Conversation, stream_id: int) -> None:
        headers = [(":status", "404"), ("content-type", "text/plain")]
        conversation.h2.send_headers(stream_id, headers)
        conversation.h2.send_data(stream_id, b"no ")
        conversation.h2.send_data(stream_id, b"model", end_stream=True)

    with serving(behave) as peer:
        stack = through(bare, peer.address)
        answer = stack.chat()
        assert (answer.status_code, answer.text) == (404, "no model")
        assert answer.headers["content-length"] == "8"
        assert answer.headers["content-type"] == "text/plain"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{stack.url}/v1/chat/completions"
        assert stack.http.post(url, json=SHORT, headers=headers).text == "no model"
