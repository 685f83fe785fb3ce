"""The live view in a browser: a page, and the looks as server-sent events, on loopback alone.

Every request must carry the token that the printed address holds: another user of this machine, or
a foreign page that the browser has open, does not know it. The host must be loopback, so that no
foreign name can be made to point here.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import orjson

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.live.words import rows
from muster.errors import BadInput
from muster.redact import redacted_data
from muster.reports.render import templates_dir

if TYPE_CHECKING:
    from muster.drill.live.shown import Shown

LOOPBACK = "127.0.0.1"
HOSTS = frozenset({LOOPBACK, "localhost"})
VIEWERS_MAX = 8
KEPT_MAX = 2000
"""Looks that a page opened late still gets, for its charts."""
BEAT_S = 10.0
"""A comment this often shows that a viewer is still there."""
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class LiveServer:
    """Serves each look given to `put`, until `close`."""

    def __init__(self, port: int, clock: Clock = SYSTEM_CLOCK) -> None:
        """Listen at once. Raises BadInput if the port is taken."""
        self._clock = clock
        self.token = secrets.token_urlsafe(24)
        self.page = (templates_dir() / "live.html").read_text(encoding="utf-8")
        self.viewers = threading.BoundedSemaphore(VIEWERS_MAX)
        self.changed = threading.Condition()
        self.looks: list[bytes] = []
        self.put_in_all = 0
        self.closed = False
        try:
            self._server = _Server((LOOPBACK, port), _Handler)
        except OSError as error:
            wanted = f"a free port of {LOOPBACK} ({error.strerror or error})"
            raise BadInput("--serve", "", port, wanted) from error
        self._server.shown = self
        self.port = int(self._server.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}/?token={self.token}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="muster-live", daemon=True
        )
        self._thread.start()

    def put(self, shown: Shown) -> None:
        """Send a look to every page."""
        data = orjson.dumps(redacted_data({**shown.as_json(), "rows": rows(shown)}))
        with self.changed:
            self.looks.append(data)
            self.put_in_all += 1
            del self.looks[:-KEPT_MAX]
            self.changed.notify_all()

    def after(self, sent: int) -> tuple[list[bytes], int, bool]:
        """Wait for looks after the first `sent`: those, how many there were, whether it is closed.

        Returns without any after a while, so that a page that is gone is noticed.
        """
        self._clock.wait(_After(self, sent), BEAT_S)
        with self.changed:
            fresh = self.looks[max(sent - self.put_in_all + len(self.looks), 0) :]
            return fresh, self.put_in_all, self.closed

    def close(self) -> None:
        """Stop serving; open pages are told that the view ended."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


@dataclass(frozen=True)
class _After:
    """Looks after the first `sent`, or the end, as something to wait for."""

    shown: LiveServer
    sent: int

    def is_set(self) -> bool:
        return self.shown.closed or self.sent < self.shown.put_in_all

    def wait(self, timeout: float | None = None) -> bool:
        with self.shown.changed:
            return self.shown.changed.wait_for(self.is_set, timeout)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    shown: LiveServer


class _Handler(BaseHTTPRequestHandler):
    timeout = 30.0
    server: _Server

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        token = parse_qs(asked.query).get("token", [""])[0]
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in HOSTS or not hmac.compare_digest(
            token.encode(), self.server.shown.token.encode()
        ):
            self._send(403, b"open the address that `chaos drill watch --serve` printed\n")
        elif asked.path == "/":
            self._page()
        elif asked.path == "/events":
            self._events()
        else:
            self._send(404, b"there is no such page\n")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        body = self.server.shown.page.replace("NONCE", nonce).encode()
        policy = POLICY.format(nonce=nonce)
        self._send(200, body, "text/html; charset=utf-8", {"Content-Security-Policy": policy})

    def _events(self) -> None:
        shown = self.server.shown
        if not shown.viewers.acquire(blocking=False):
            self._send(503, b"too many pages are open\n")
            return
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self._follow(shown)
        except OSError:
            return  # the page was closed
        finally:
            shown.viewers.release()

    def _follow(self, shown: LiveServer) -> None:
        sent, closed = 0, False
        while not closed:
            fresh, sent, closed = shown.after(sent)
            for data in fresh:
                self.wfile.write(b"data: " + data + b"\n\n")
            self.wfile.write(b"event: end\ndata: {}\n\n" if closed else b": here\n\n")
            self.wfile.flush()

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "text/plain; charset=utf-8",
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **(more or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests: an address holds the token."""
