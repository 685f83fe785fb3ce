"""A promotion's answer over HTTP, for Argo Rollouts' `web` metric and Flagger's webhooks.

| request | answer |
|---|---|
| `GET /promotion` | 200 and the answer as JSON, whatever its state |
| `POST /flagger` | 200 for held; 409 for roll_back; 503 for unknown |
| `POST /flagger/rollback` | 200 for roll_back; 409 for held; 503 for unknown |
| `GET /healthz` | 200 while the server runs |

Unknown is never a success. An answer that nobody renewed for `stale_s` is unknown.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import BadInput

BODY_BYTES_MAX = 64 * 1024
REQUESTS_AT_ONCE_MAX = 16
REQUEST_S_MAX = 5.0
LOOPBACK = "127.0.0.1"
STATUS = {"held": 200, "roll_back": 409, "unknown": 503}
ROLLBACK_STATUS = {"held": 409, "roll_back": 200, "unknown": 503}
"""Flagger rolls back if a hook of type `rollback` answers with success."""
PAYLOAD = ("name", "namespace", "phase")
"""The fields of Flagger's webhooks besides checksum and metadata."""


def parse_address(text: str) -> tuple[str, int]:
    """`PORT` (on loopback) or `HOST:PORT`, the host an IP address. Raises BadInput."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    host = LOOPBACK if host == "localhost" else host
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise BadInput("--serve", "", text, "PORT, or ADDRESS:PORT such as 127.0.0.1:8087")
    return host, number


class AnswerServer:
    """Serves the last answer given to `put`, until `close`."""

    def __init__(
        self, host: str, port: int, *, stale_s: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Listen at once. Raises BadInput if the address is not available."""
        self._stale_s = stale_s
        self._clock = clock
        self._answer: Mapping[str, Any] = {
            "state": "unknown",
            "held": False,
            "unknown": ["no samples were taken yet"],
        }
        self._put_s = clock.monotonic_s()
        self.slots = threading.BoundedSemaphore(REQUESTS_AT_ONCE_MAX)
        try:
            self._server = _Server((host, port), _Handler)
        except OSError as error:
            why = error.strerror or str(error)
            raise BadInput("--serve", "", f"{host}:{port}", f"a free address ({why})") from error
        self._server.shown = self
        self.port = int(self._server.server_address[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="muster-promotion", daemon=True
        )
        self._thread.start()

    def put(self, answer: Mapping[str, Any]) -> None:
        """Set the answer from now on."""
        self._answer, self._put_s = dict(answer), self._clock.monotonic_s()

    def answer(self) -> Mapping[str, Any]:
        """The present answer: unknown if it was not renewed in time."""
        old_s = self._clock.monotonic_s() - self._put_s
        if old_s <= self._stale_s:
            return self._answer
        why = f"samples were last taken {old_s:.0f} s ago"
        unknown = [why, *self._answer.get("unknown", ())]
        return {**self._answer, "state": "unknown", "held": False, "unknown": unknown}

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    shown: AnswerServer

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(address, handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S_MAX
    server: _Server

    def do_GET(self) -> None:
        with self._slot() as free:
            if not free:
                return
            path = self.path.partition("?")[0].rstrip("/")
            if path == "/healthz":
                self._send(200, {"serving": True})
            elif path in ("", "/promotion"):
                self._send(200, self.server.shown.answer())
            else:
                self._send(404, {"error": "ask GET /promotion"})

    def do_POST(self) -> None:
        with self._slot() as free:
            if not free:
                return
            path = self.path.partition("?")[0].rstrip("/")
            table = {"/flagger": STATUS, "/flagger/rollback": ROLLBACK_STATUS}.get(path)
            if table is None:
                self._send(404, {"error": "POST to /flagger or /flagger/rollback"})
                return
            status, payload = self._payload()
            if status != 200:
                self._send(status, payload)
                return
            answer = self.server.shown.answer()
            self._send(table[answer["state"]], _short(answer))

    def _payload(self) -> tuple[int, Mapping[str, Any]]:
        """200 and Flagger's payload, or a status and the reason."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            return 411, {"error": "Content-Length is missing"}
        if not 0 <= length <= BODY_BYTES_MAX:
            return 413, {"error": f"a body of at most {BODY_BYTES_MAX} bytes"}
        try:
            payload = orjson.loads(self.rfile.read(length))
        except (ValueError, OSError):
            return 400, {"error": "the body is no JSON"}
        if not isinstance(payload, dict):
            return 400, {"error": "the body is no JSON object"}
        for key in PAYLOAD:
            if not isinstance(payload.get(key), str):
                return 400, {"error": f"{key} is missing: Flagger's webhooks carry it"}
        return 200, payload

    def _slot(self) -> _Slot:
        return _Slot(self)

    def _send(self, status: int, document: Mapping[str, Any]) -> None:
        body = orjson.dumps(document) + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests: the watch logs its own lines."""


class _Slot:
    """One of the few requests that are handled at once; others get the answer that it is busy."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self._free = False

    def __enter__(self) -> bool:
        self._free = self._handler.server.shown.slots.acquire(blocking=False)
        if not self._free:
            self._handler._send(503, {"error": "too many requests at once"})
        return self._free

    def __exit__(self, *_: object) -> None:
        if self._free:
            self._handler.server.shown.slots.release()


def _short(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The text that Flagger writes into its events: the state and its reason."""
    fired = [
        f"{row['trigger']} in {row['region']}: {row['detail']}"
        for row in answer.get("triggers", ())
        if row["state"] == "roll_back"
    ]
    return {"state": answer["state"], "why": fired or list(answer.get("unknown", ()))}
