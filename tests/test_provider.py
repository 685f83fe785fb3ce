"""The provider stub, as a process and as distributions."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from statistics import fmean, quantiles
from unittest.mock import Mock

import h2.connection
import h2.events
import httpx
import pytest
from dataplane_fixtures import SHORT, eventually, free_port, module

from muster.testbed.provider.config import FirstToken
from muster.testbed.provider.delays import Delays, quantiles_s
from muster.testbed.provider.http1 import Http1Connection
from muster.testbed.provider.wheel import Wheel
from muster.testbed.wire import http2
from muster.testbed.wire.server import Connections
from muster.testbed.wire.ticker import TICK_S


def config(**changes):
    ports = [free_port() for _ in range(3)]
    return {
        "routes": {"primary": ["127.0.0.1", ports[0]], "fallback": ["127.0.0.1", ports[1]]},
        "admin": ["127.0.0.1", ports[2]],
        "first_token_s": {"mean": 0.05, "max": 0.1},
        "tokens_per_s": 200,
        "chunk_s": 0.05,
        **changes,
    }


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    given = config()
    path = tmp_path_factory.mktemp("provider") / "provider.json"
    with module("muster.testbed.provider", given, path):
        yield given


def url(given, route):
    return f"http://127.0.0.1:{given['routes'][route][1]}/v1/chat/completions"


def events(response: httpx.Response) -> list[dict]:
    lines = [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def tokens(chunks: list[dict]) -> list[int]:
    contents = [choice["delta"].get("content") for c in chunks for choice in c["choices"]]
    return [len(content.split()) for content in contents if content]


def test_the_delays_have_the_mean_and_p95_that_were_asked_for():
    """Mean 0.6 s exactly, p95 about 1.0 s, nothing over the cap."""
    delays = quantiles_s(FirstToken(mean=0.6, max=1.4))
    assert fmean(delays) == pytest.approx(0.6, abs=0.001)
    assert quantiles(delays, n=20)[-1] == pytest.approx(1.0, abs=0.02)
    assert max(delays) <= 1.4


def test_the_same_seed_draws_the_same_delays():
    """A second run waits as the first did; another seed, process or route does not."""

    def draws(*key) -> list[int]:
        delays = Delays(FirstToken(), *key, extra_s=0.0)
        return [delays.draw_ticks() for _ in range(50)]

    assert draws(1, 0, "primary") == draws(1, 0, "primary")
    others = [draws(2, 0, "primary"), draws(1, 1, "primary"), draws(1, 0, "fallback")]
    assert all(other != draws(1, 0, "primary") for other in others)


def test_a_stream_has_as_many_tokens_as_asked_and_its_first_one_alone(provider):
    """Role, one token, chunks, finish reason, usage where asked for, `[DONE]`."""
    body = {**SHORT, "max_tokens": 30, "stream": True, "stream_options": {"include_usage": True}}
    began = time.monotonic()
    response = httpx.post(url(provider, "primary"), json=body, trust_env=False)
    took = time.monotonic() - began
    chunks = events(response)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    counts = tokens(chunks)
    assert counts[0] == 1
    assert sum(counts) == 30
    assert len(counts) > 2
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"]["completion_tokens"] == 30
    assert len({chunk["id"] for chunk in chunks}) == 1
    injected_s = int(response.headers["openai-processing-ms"]) / 1000
    assert took >= injected_s + 30 / 200 - 0.02, "no token comes before its time"


def test_without_stream_the_answer_is_one_document(provider):
    """A plain JSON answer with content and usage, after the same time."""
    response = httpx.post(url(provider, "fallback"), json=SHORT, trust_env=False)
    document = response.json()
    assert document["object"] == "chat.completion"
    assert len(document["choices"][0]["message"]["content"].split()) == 20
    assert int(response.headers["openai-processing-ms"]) > 0


def test_malformed_requests_are_answered_400(provider):
    """A body that is no chat request is refused; the connection lives on."""
    with httpx.Client(trust_env=False) as client:
        assert client.post(url(provider, "primary"), content=b"{").status_code == 400
        assert client.post(url(provider, "primary"), json=SHORT).status_code == 200


def test_open_streams_and_requests_are_counted_by_route(provider):
    """A client that leaves takes its stream out of the figure."""
    admin = f"http://127.0.0.1:{provider['admin'][1]}/metrics"
    body = {**SHORT, "max_tokens": 2000, "stream": True}
    with httpx.Client(trust_env=False) as client:
        with client.stream("POST", url(provider, "primary"), json=body) as response:
            pieces = response.iter_raw()  # dropping the iterator would close the stream
            next(pieces)
            page = httpx.get(admin, trust_env=False).text
            assert 'muster_provider_streams_open{route="primary"} 1' in page
    deadline = time.monotonic() + 5
    while 'streams_open{route="primary"} 0' not in httpx.get(admin, trust_env=False).text:
        assert time.monotonic() < deadline
    assert 'muster_rig_loop_lag_seconds_bucket{component="provider",le="0.001"}' in page


def test_processes_share_their_addresses(provider, tmp_path):
    """A second process listens on the same routes."""
    second = {**provider, "index": 1, "admin": ["127.0.0.1", free_port()]}
    with module("muster.testbed.provider", second, tmp_path / "second.json"):
        response = httpx.post(url(provider, "primary"), json=SHORT, trust_env=False)
        assert response.status_code == 200


def test_the_slow_fallback_defect_is_seen_on_the_fallback_alone(tmp_path):
    """Its first tokens come later by the defect's extra; the primary's do not."""
    given = config(defect="slow_fallback_provider", slow_fallback_extra_s=0.5)
    with module("muster.testbed.provider", given, tmp_path / "provider.json"):
        injected = {
            route: int(
                httpx.post(url(given, route), json=SHORT, trust_env=False).headers[
                    "openai-processing-ms"
                ]
            )
            for route in ("primary", "fallback")
        }
    assert injected["fallback"] >= 500 > injected["primary"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"tokens_per_s": 0}, "tokens_per_s"), ({"colour": 1}, "colour"), ({"defect": "x"}, "defect")],
)
def test_a_bad_configuration_is_one_line_and_exit_2(changes, key, tmp_path):
    """File, key and value are named; nothing is started."""
    path = tmp_path / "provider.json"
    path.write_text(json.dumps(config(**changes)))
    argv = [sys.executable, "-m", "muster.testbed.provider", "--config", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"{path}: {key}: got ")
    assert done.stderr.count("\n") == 1


class Entry:
    """Something on the wheel that tells when it is called."""

    def __init__(self, name: str, called: list[str]) -> None:
        self.name = name
        self.called = called

    def due(self, tick: int) -> None:
        self.called.append(self.name)


def test_a_wheel_catches_up_after_a_stall():
    """Everything due is called in its order, also when many ticks have passed at once."""
    wheel = Wheel()
    called: list[str] = []
    start = int(wheel.tick_at(time.monotonic()))
    for name, after in (("late", 300), ("first", 1), ("second", 50)):
        wheel.add(start + after, Entry(name, called))
    wheel.advance((start + 100) * TICK_S + 0.001, 0.0)
    assert called == ["first", "second"]
    wheel.advance((start + 301) * TICK_S + 0.001, 0.0)
    assert called == ["first", "second", "late"]


# Over HTTP/2, by another implementation's client


def test_streams_share_a_connection_of_http2(provider):
    """Many at once, each whole, as over HTTP/1.1; and what is no stream, or no request."""
    route = url(provider, "primary")
    body = {**SHORT, "max_tokens": 30, "stream": True, "stream_options": {"include_usage": True}}

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(
            http1=False, http2=True, trust_env=False, limits=limits
        ) as client:
            return [
                *await asyncio.gather(*(client.post(route, json=body) for _ in range(40))),
                await client.post(route, json=SHORT),
                await client.post(route, content=b"{"),
                await client.post(route, content=b"x" * (1 << 20) + b"x"),
                await client.get(route.replace("/v1/chat/completions", "/healthz")),
                await client.get(route),
            ]

    *streams, whole, malformed, large, healthy, unknown = asyncio.run(ask())
    for response in streams:
        assert response.http_version == "HTTP/2"
        chunks = events(response)
        assert sum(tokens(chunks)) == 30
        assert chunks[-1]["usage"]["completion_tokens"] == 30
        assert int(response.headers["openai-processing-ms"]) > 0
    assert len({events(response)[0]["id"] for response in streams}) == 40
    assert len(whole.json()["choices"][0]["message"]["content"].split()) == 20
    codes = [one.status_code for one in (whole, malformed, large, healthy, unknown)]
    assert codes == [200, 400, 413, 200, 404]
    assert malformed.json()["error"]["type"] == "invalid_request_error"


def test_open_streams_of_http2_are_counted_and_given_up(provider):
    """A stream that its client resets is generated no further."""
    admin = f"http://127.0.0.1:{provider['admin'][1]}/metrics"
    body = {**SHORT, "max_tokens": 2000, "stream": True}
    with httpx.Client(http1=False, http2=True, trust_env=False) as client:
        with client.stream("POST", url(provider, "fallback"), json=body) as response:
            pieces = response.iter_raw()
            next(pieces)
            page = httpx.get(admin, trust_env=False).text
            assert 'muster_provider_streams_open{route="fallback"} 1' in page
        eventually(
            lambda: 'streams_open{route="fallback"} 0' in httpx.get(admin, trust_env=False).text
        )
        assert client.post(url(provider, "fallback"), json=SHORT).status_code == 200


class Kept(asyncio.Protocol):
    """Keeps what it receives."""

    data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


@pytest.mark.parametrize("sizes", [[1], [2, 1], [3], [4], [23, 1], [24]])
def test_http2_is_told_from_http1_by_its_first_bytes(sizes):
    """However they are cut; and a POST that comes byte by byte is HTTP/1.1."""

    def fed(data: bytes) -> tuple[bytes, bytes]:
        taken, transport = Kept(), Mock()
        connection = Http1Connection(Connections(), Mock(), lambda: taken)
        connection.connection_made(transport)
        transport.set_protocol.side_effect = lambda protocol: receivers.append(protocol)
        receivers: list[asyncio.Protocol] = [connection]
        for size in [*sizes, len(data)]:
            if data[:size]:
                receivers[-1].data_received(data[:size])
            data = data[size:]
        return taken.data, b"".join(call.args[0] for call in transport.write.call_args_list)

    greeting = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0)
    assert fed(greeting) == (greeting, b"")
    taken, answered = fed(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert taken == b""
    assert answered.startswith(b"HTTP/1.1 404")


def test_a_provider_that_stops_lets_open_streams_end(tmp_path):
    """It says that it goes away, takes nothing new, and ends what it has begun."""
    given = config(tokens_per_s=50, grace_s=5)
    body = json.dumps({**SHORT, "max_tokens": 40, "stream": True}).encode()
    path = "/v1/chat/completions"
    ask = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.send_headers(1, ask)
    client.send_data(1, body, end_stream=True)
    text = b""
    seen: list[type] = []
    with (
        module("muster.testbed.provider", given, tmp_path / "provider.json") as process,
        socket.create_connection(("127.0.0.1", given["routes"]["primary"][1]), 5) as sock,
    ):
        sock.sendall(client.data_to_send())
        while data := sock.recv(65536):
            # The library ends with the first GOAWAY, so what comes after is looked at by itself.
            if h2.events.ConnectionTerminated in seen:
                text += data
                continue
            for event in client.receive_data(data):
                seen.append(type(event))
                if isinstance(event, h2.events.DataReceived) and not text:
                    process.terminate()
                    text = event.data
        assert h2.events.ConnectionTerminated in seen
        assert b"[DONE]" in text
        process.wait(5)
