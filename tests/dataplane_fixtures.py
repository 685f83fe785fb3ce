"""Real small peers for the gateway tests: Redis, Toxiproxy, provider, gateways on free ports."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "sk-load"
CANARY = "sk-canary"
REGION = "eu-central-1"
SHORT = {"max_tokens": 20, "model": "muster-stub", "messages": [{"role": "user", "content": "hi"}]}

FREE_PORTS = (2_000, 10_000)
"""Below the blocks that testbeds take. Two parts on one port would share it, by SO_REUSEPORT, and
each get half of the other's requests.
"""
LEFT_OUT = frozenset(
    {2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697}
    | set(range(7400, 7500))
)
"""Ports to which no browser connects (the Fetch standard), and those of the shipped testbed."""


def _own_ports() -> Iterator[int]:
    """The ports of this test process, again and again, in random order.

    Neither the kernel nor a testbed takes one of them by itself, nor does another test process of
    this run: between the look at a port and its use nobody else does.
    """
    first, last = FREE_PORTS
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        step, number = (last - first) // count, int(worker.removeprefix("gw"))
        first, last = first + number * step, first + (number + 1) * step
    ports = [port for port in range(first, last) if port not in LEFT_OUT]
    random.Random(os.urandom(8)).shuffle(ports)
    return itertools.cycle(ports)


_PORTS = _own_ports()


def free_port() -> int:
    """A port that nobody listens on."""
    for port in itertools.islice(_PORTS, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def tool(name: str) -> str | None:
    """The binary `name` on PATH or where set-up puts it."""
    return shutil.which(name) or shutil.which(name, path=str(ROOT / ".tools" / "bin"))


def eventually(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of `check` within a bound."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)


@contextmanager
def process(argv: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A child that is gone when the block ends."""
    child = subprocess.Popen(argv, text=True, **options)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child.stdout is not None:
            child.stdout.close()


@contextmanager
def module(name: str, config: dict[str, Any], path: Path) -> Iterator[subprocess.Popen[str]]:
    """A part of the testbed with its configuration, once it says that it is ready."""
    path.write_text(json.dumps({**config, "parent_pid": os.getpid()}))
    argv = [sys.executable, "-m", name, "--config", str(path)]
    with process(argv, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child


class Stack:
    """Redis, Toxiproxy, a provider and gateways, started piece by piece."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.exits = ExitStack()
        self.redis_port = free_port()
        self.redis_proxy = free_port()
        self.primary = free_port()
        self.fallback = free_port()
        self.primary_proxy = free_port()
        self.fallback_proxy = free_port()
        self.provider_admin = free_port()
        self.toxiproxy_port = free_port()
        self.public = free_port()
        self.admins: list[int] = []
        self.gateways: list[subprocess.Popen[str]] = []
        self.http = self.exits.enter_context(httpx.Client(timeout=10, trust_env=False))

    def start(self, **provider: Any) -> Stack:
        """Everything but the gateways."""
        self.start_redis()
        self.start_toxiproxy()
        config = {
            "routes": {
                "primary": ["127.0.0.1", self.primary],
                "fallback": ["127.0.0.1", self.fallback],
            },
            "admin": ["127.0.0.1", self.provider_admin],
            "first_token_s": {"mean": 0.05, "max": 0.1},
            "tokens_per_s": 200,
            "chunk_s": 0.02,
            **provider,
        }
        self.provider = self.exits.enter_context(
            module("muster.testbed.provider", config, self.directory / "provider.json")
        )
        return self

    def start_redis(self) -> None:
        binary = tool("redis-server")
        assert binary is not None, "redis-server is missing"
        argv = [binary, "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", ""]
        self.redis = self.exits.enter_context(
            process([*argv, "--dir", str(self.directory)], stdout=subprocess.DEVNULL)
        )
        self.store = redis.Redis(port=self.redis_port, decode_responses=True)
        self.exits.callback(self.store.close)

        def answers() -> bool:
            try:
                return bool(self.store.ping())
            except redis.RedisError:
                return False

        eventually(answers)

    def start_toxiproxy(self) -> None:
        binary = tool("toxiproxy-server")
        assert binary is not None, "toxiproxy-server is missing"
        argv = [binary, "-host", "127.0.0.1", "-port", str(self.toxiproxy_port)]
        self.exits.enter_context(
            process(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

        def answers() -> bool:
            try:
                return self.http.get(self.toxiproxy("/version")).status_code == 200
            except httpx.HTTPError:
                return False

        eventually(answers)
        self.proxies = {
            "redis": (self.redis_proxy, self.redis_port),
            "primary": (self.primary_proxy, self.primary),
            "fallback": (self.fallback_proxy, self.fallback),
        }
        for name in self.proxies:
            self._make_proxy(name)

    def _make_proxy(self, name: str) -> None:
        listen, upstream = self.proxies[name]
        body = {
            "name": name,
            "listen": f"127.0.0.1:{listen}",
            "upstream": f"127.0.0.1:{upstream}",
            "enabled": True,
        }
        self.http.post(self.toxiproxy("/proxies"), json=body).raise_for_status()

    def toxiproxy(self, path: str) -> str:
        return f"http://127.0.0.1:{self.toxiproxy_port}{path}"

    def enable(self, proxy: str, enabled: bool) -> None:
        url = self.toxiproxy(f"/proxies/{proxy}")
        self.http.post(url, json={"enabled": enabled}).raise_for_status()

    def toxic(self, proxy: str, kind: str, **attributes: Any) -> None:
        body = {"name": kind, "type": kind, "stream": "downstream", "attributes": attributes}
        url = self.toxiproxy(f"/proxies/{proxy}/toxics")
        self.http.post(url, json=body).raise_for_status()

    def heal(self, proxy: str) -> None:
        """Make the proxy anew: removing a toxic can hang the server while streams are aborted."""
        self.http.delete(self.toxiproxy(f"/proxies/{proxy}")).raise_for_status()
        self._make_proxy(proxy)

    def gateway(self, **changes: Any) -> Stack:
        """One more gateway on the same public port."""
        index = len(self.admins)
        self.admins.append(free_port())
        config = {
            "region": REGION,
            "index": index,
            "listen": ["127.0.0.1", self.public],
            "admin": ["127.0.0.1", self.admins[-1]],
            "redis": ["127.0.0.1", self.redis_proxy],
            "providers": {
                "primary": ["127.0.0.1", self.primary_proxy],
                "fallback": ["127.0.0.1", self.fallback_proxy],
            },
            "token": TOKEN,
            "canary_token": CANARY,
            "streams_limit_region": 100,
            "rate_limit_per_s_region": 1000,
            "grace_s": 3,
            **changes,
        }
        path = self.directory / f"gateway-{index}.json"
        self.gateways.append(
            self.exits.enter_context(module("muster.testbed.gateway", config, path))
        )
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.public}"

    def admin(self, path: str, index: int = 0) -> str:
        return f"http://127.0.0.1:{self.admins[index]}{path}"

    def drain(self, state: str) -> dict[str, Any]:
        answer = self.http.post(self.admin("/admin/drain"), json={"state": state})
        answer.raise_for_status()
        return dict(answer.json())

    def ready(self) -> bool:
        return self.http.get(self.admin("/readyz")).status_code == 200

    def chat(self, token: str = TOKEN, **changes: Any) -> httpx.Response:
        """One request, read to its end."""
        headers = {"Authorization": f"Bearer {token}"}
        body = {**SHORT, "stream": True, **changes}
        return self.http.post(f"{self.url}/v1/chat/completions", json=body, headers=headers)

    def metric(self, name: str, index: int = 0, **labels: str) -> float:
        """The sum of the series that have `labels`; 0 when there is none."""
        text = self.http.get(self.admin("/metrics", index)).text
        total = 0.0
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    total += sample.value
        return total

    def close(self) -> None:
        self.exits.close()


def hold(stack: Stack, count: int, tokens: int = 2000) -> list[Stream]:
    """Open streams, one connection each, all past their first token."""
    streams = [Stream(stack, tokens) for _ in range(count)]
    for stream in streams:
        assert b" 200 " in stream.until(b'"content":" all"')[:20]
    return streams


def close(streams: list[Stream]) -> None:
    for stream in streams:
        stream.close()


class Stream:
    """A raw stream that is held open on a connection of its own."""

    def __init__(self, stack: Stack, tokens: int, token: str = TOKEN) -> None:
        body = json.dumps({**SHORT, "stream": True, "max_tokens": tokens}).encode()
        self.sock = socket.create_connection(("127.0.0.1", stack.public), timeout=15)
        self.sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            + token.encode()
            + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        self.data = b""

    def until(self, mark: bytes) -> bytes:
        """Read until `mark` or the end."""
        while mark not in self.data:
            piece = self.sock.recv(65536)
            if not piece:
                break
            self.data += piece
        return self.data

    def to_end(self) -> bytes:
        """Read until the server closes."""
        while piece := self.sock.recv(65536):
            self.data += piece
        return self.data

    def close(self) -> None:
        self.sock.close()
