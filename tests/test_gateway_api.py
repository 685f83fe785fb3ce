"""What clients see of the gateway: OpenAI's API, its errors, and HTTP's corners."""

from __future__ import annotations

import json
import socket
import time

import httpx
import openai
import pytest
from dataplane_fixtures import CANARY, REGION, SHORT, TOKEN, Stack, Stream, eventually


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("api"))
    try:
        yield made.start().gateway(body_bytes_max=10_000, request_s_max=1.0)
    finally:
        made.close()


@pytest.fixture
def client(stack):
    with httpx.Client(trust_env=False) as http:
        with openai.OpenAI(
            base_url=f"{stack.url}/v1", api_key=TOKEN, http_client=http, max_retries=0
        ) as made:
            yield made


def raw(stack: Stack, data: bytes) -> bytes:
    """Everything the gateway answers to `data` until it closes."""
    with socket.create_connection(("127.0.0.1", stack.public), timeout=10) as sock:
        sock.sendall(data)
        received = b""
        while piece := sock.recv(65536):
            received += piece
        return received


def test_the_public_client_streams(client):
    """The openai library reads role, content and the end of a stream unchanged."""
    chunks = list(client.chat.completions.create(stream=True, **SHORT))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len(text.split()) == 20
    assert chunks[-1].choices[0].finish_reason == "length"


def test_the_public_client_gets_a_plain_answer(client):
    """stream:false gives one document with usage."""
    answer = client.chat.completions.create(**SHORT)
    assert len(answer.choices[0].message.content.split()) == 20
    assert answer.usage.completion_tokens == 20


def test_the_public_client_lists_models(client):
    """GET /v1/models works."""
    assert [model.id for model in client.models.list()] == ["muster-stub"]


def test_the_public_client_understands_the_errors(stack, client):
    """401 and 400 come in OpenAI's shape, so that the library raises its own types."""
    with pytest.raises(openai.AuthenticationError) as denied:
        client.with_options(api_key="wrong").chat.completions.create(**SHORT)
    assert denied.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        client.chat.completions.create(**{**SHORT, "max_tokens": 0})


def test_answers_name_region_request_and_injected_delay(stack):
    """x-region, a request id of its own each, and the provider's openai-processing-ms."""
    first, second = stack.chat(), stack.chat()
    assert first.headers["x-region"] == REGION
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert 10 <= int(first.headers["openai-processing-ms"]) <= 110
    assert first.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("POST", "/v1/other", 404), ("GET", "/", 404)],
)
def test_other_paths_and_methods_are_refused(stack, method, path, status):
    """Each with an error document, and the connection lives on."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for _ in range(2):
        answer = stack.http.request(method, stack.url + path, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


def test_a_large_body_is_refused_with_413(stack):
    """By its announced length, and by what really comes when it announces none."""
    chat = f"{stack.url}/v1/chat/completions"
    assert stack.http.post(chat, content=b"x" * 20_000).status_code == 413
    assert stack.http.post(chat, content=iter([b"x" * 9000] * 3)).status_code == 413


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_malformed_requests_are_answered_400_and_closed(stack, data):
    """What is no HTTP gets one error document, then the connection closes."""
    answer = raw(stack, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"error"' in answer


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"GET /" + b"x" * 70_000, b"G" * 40_000],
)
def test_heads_that_are_too_large_are_closed(stack, data):
    """Nobody can make the gateway keep an endless head."""
    assert raw(stack, data).split(b" ")[1] in (b"431", b"400")


def test_a_slow_head_is_closed(stack):
    """An unfinished request is closed after its bound; others are served meanwhile."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", stack.public), timeout=10) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost:")
        assert stack.chat().status_code == 200
        assert sock.recv(100) == b""
    assert time.monotonic() - began < 8


def test_requests_sent_ahead_are_answered_in_order(stack):
    """Pipelined requests each get their answer, one after the other."""
    body = json.dumps({**SHORT, "stream": True}).encode()
    chat = b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer %b\r\n" % TOKEN.encode()
    chat += b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    last = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = raw(stack, chat + b"GET /nowhere HTTP/1.1\r\n\r\n" + chat + last)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"200", b"200"]
    assert answer.count(b"data: [DONE]") == 2


def test_a_request_in_small_pieces_is_read(stack):
    """Head and body may come byte by byte."""
    body = json.dumps({**SHORT, "max_tokens": 1}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer "
    data = head + TOKEN.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", stack.public), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i : i + 1])
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_canaries_are_left_out_of_every_figure_but_their_own(stack):
    """A canary moves chat_canary_requests_total and nothing else."""
    names = (
        "http_server_requests_total",
        "gen_ai_server_time_to_first_token_seconds_count",
        "gen_ai_server_request_duration_seconds_count",
        "chat_streams_active",
        "chat_streams_broken_total",
        "chat_provider_first_token_seconds_count",
    )
    before = [stack.metric(name) for name in names]
    canaries = stack.metric("chat_canary_requests_total", code="200")
    canary = Stream(stack, 200, CANARY)
    canary.until(b"content")
    assert stack.metric("chat_streams_active") == 0
    canary.until(b"[DONE]")
    canary.close()
    assert stack.chat(token=CANARY, max_tokens=1).status_code == 200
    assert stack.metric("chat_canary_requests_total", code="200") == canaries + 2
    assert [stack.metric(name) for name in names] == before


def test_a_stream_is_counted_when_it_opens_and_observed_when_it_ends(stack):
    """Code and first token early, duration at the close; active in between."""
    counts = [
        ("http_server_requests_total", {"code": "200"}),
        ("gen_ai_server_time_to_first_token_seconds_count", {}),
        ("gen_ai_server_request_duration_seconds_count", {}),
        ("chat_streams_active", {}),
    ]

    def shown() -> list[float]:
        return [stack.metric(name, **labels) for name, labels in counts]

    before = shown()
    stream = Stream(stack, 100)
    stream.until(b'"content":" all"')
    assert [b - a for a, b in zip(before, shown(), strict=True)] == [1, 1, 0, 1]
    stream.until(b"[DONE]")
    stream.close()
    eventually(lambda: [b - a for a, b in zip(before, shown(), strict=True)] == [1, 1, 1, 0])


def test_a_client_that_leaves_frees_its_slot_and_its_provider_connection(stack):
    """The provider's stream ends with the client's, and the figures say abandoned, not broken."""
    broken = stack.metric("chat_streams_broken_total")
    abandoned = stack.metric("chat_streams_abandoned_total")
    duration = "gen_ai_server_request_duration_seconds"
    finite = stack.metric(f"{duration}_bucket", le="60.0")
    stream = Stream(stack, 2000)
    stream.until(b"content")
    stream.close()
    eventually(lambda: stack.metric("chat_streams_active") == 0)
    assert stack.metric("chat_streams_abandoned_total") == abandoned + 1
    assert stack.metric("chat_streams_broken_total") == broken
    assert stack.metric(f"{duration}_bucket", le="60.0") == finite, "cut: over every threshold"
    page = f"http://127.0.0.1:{stack.provider_admin}/metrics"
    eventually(lambda: 'streams_open{route="primary"} 0' in stack.http.get(page).text)


def test_a_client_that_reads_slowly_gets_its_whole_stream(stack):
    """What it does not read yet waits in its own provider connection."""
    stream = Stream(stack, 100_000)
    stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.until(b"content")
    assert stack.chat().status_code == 200
    stream.close()


def test_loop_lag_and_build_are_published(stack):
    """10 ms beats, and the build that the evidence must name."""
    name = "muster_rig_loop_lag_seconds_count"
    eventually(lambda: stack.metric(name, component="gateway") > 50)
    assert stack.metric("platform_build_info", version="testbed", region=REGION) == 1
    assert stack.metric("chat_streams_limit") == 100


def test_the_provider_pool_keeps_connections(stack):
    """Requests one after the other use one provider connection."""
    for _ in range(5):
        stack.chat(max_tokens=1)
    assert stack.metric("chat_provider_connections", route="primary") <= 4
