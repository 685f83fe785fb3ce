"""One request from its acceptance to its end: admitted, sent, moved to the other route, streamed.

A stream that the provider breaks off is continued by the other route, once.

Accounting (always without canaries): a code is counted when the answer's head is written; first
token and duration are measured from the accepted request; a stream that is cut counts as never
completed.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from muster.testbed.gateway.continued import rest_of, without_role
from muster.testbed.gateway.core import Gateway
from muster.testbed.gateway.upstream import Answer, UpstreamStream
from muster.testbed.wire.chunked import LAST_CHUNK, framed
from muster.testbed.wire.openai import error_answer
from muster.testbed.wire.server import Request

ERROR_EVENT = b'data: {"error"'
RETRY_AFTER = "Retry-After: 1\r\n"


class Client(Protocol):
    """The connection on which a request arrived."""

    gateway: Gateway
    attempt: Attempt | None
    transport: asyncio.Transport | None

    def write(self, data: bytes) -> None:
        """Send to the client, if it is still connected."""

    def finish(self, *, keep_alive: bool) -> None:
        """The answer is written: continue with the next request, or close."""

    def cut(self) -> None:
        """Close after what was written, without a proper end."""


class Attempt:
    """State of one request. `over` is True once it has ended; later calls do nothing."""

    __slots__ = (
        "accepted_s",
        "begun",
        "body",
        "canary",
        "chunked",
        "connection",
        "continued",
        "counted",
        "gateway",
        "holds",
        "keep_alive",
        "late",
        "mine",
        "over",
        "queued_s",
        "resent",
        "route",
        "sent",
        "sent_s",
        "serial",
        "status",
        "stream",
        "tries",
        "upstream",
    )

    def __init__(self, connection: Client, request: Request, *, canary: bool, stream: bool) -> None:
        gateway = connection.gateway
        gateway.serial += 1
        self.gateway = gateway
        self.connection = connection
        self.accepted_s = request.accepted_s
        self.body = request.body
        self.keep_alive = request.keep_alive
        self.canary = canary
        self.counted = not canary
        self.stream = stream
        self.serial = gateway.serial_prefix + b"%x" % gateway.serial
        self.holds = False
        self.mine = 0
        self.queued_s = 0.0
        self.route = ""
        self.tries = 0
        self.resent = False
        self.late = False
        self.sent_s = 0.0
        self.sent: list[bytes] = []
        self.continued = False
        self.upstream: UpstreamStream | None = None
        self.begun = False
        self.chunked = False
        self.status = 0
        self.over = False
        if not canary:
            gateway.figures.open[self] = self.accepted_s
            if stream:
                gateway.figures.no_first_token[self] = self.accepted_s

    # From Redis, by way of the admission

    def replied(self, number: int) -> None:
        self.gateway.admission.replied(self, number)

    def unanswered(self) -> None:
        self.gateway.admission.unanswered(self)

    def forgotten(self) -> None:
        self.gateway.admission.forgotten(self)

    def admitted(self) -> None:
        """Choose a route and send the request."""
        self.gateway.start(self)

    def shed(self) -> None:
        """There was no room within the time limit of the queue."""
        self.refuse(429, "the region is at its limit, try again", "rate_limit_exceeded")

    def unavailable(self, message: str, code: str) -> None:
        self.refuse(503, message, code)

    # From the upstream pool and stream

    def awaits(self, tries: int) -> bool:
        """Whether the connection requested in try number `tries` is still wanted."""
        return not self.over and self.tries == tries and self.upstream is None

    def route_lost_at(self, tries: int) -> None:
        """Connecting for try number `tries` failed."""
        if self.awaits(tries):
            self.route_failed()

    def route_lost(self, *, resend: bool) -> None:
        """The stream ended before anything was passed on; `resend`: the route is not to blame."""
        self.upstream = None
        if resend and not self.resent:
            self.resent = True
            self.gateway.figures.resends += 1
            self.tries += 1
            self.gateway.pools[self.route].send(self, fresh=True)
        else:
            self.route_failed()

    def route_failed(self) -> None:
        """The route refused, reset, or answered 429 or 5xx: try the other one."""
        self.upstream = None
        if not self.over:
            self.gateway.route_failed(self)

    def takes(self, status: int) -> bool:
        """Whether an answer of that status is passed on; if not, the other route is tried."""
        if self.continued:
            return status == 200
        return 200 <= status < 500 and status != 429

    def takes_body(self, body: bytes) -> bool:
        """Whether a whole stream without content is passed on: one with an error event is not."""
        return ERROR_EVENT not in body

    def begin(self, head: Answer, held: bytes, ended: bool) -> None:
        """The answer has begun: pass on its head and what was held back."""
        gateway = self.gateway
        figures = gateway.figures
        now_s = time.monotonic()
        circuit = gateway.circuits[self.route]
        if not self.late:
            circuit.succeeded(now_s)
        self.begun = True
        if self.continued:
            self.forward(without_role(held), ended)
            return
        self.status = head.status
        if self.stream and head.status == 200:
            if not self.canary:
                figures.no_first_token.pop(self, None)
                figures.first_token.observe(now_s - self.accepted_s)
                figures.route_first_token[self.route].observe(now_s - self.sent_s)
            start = gateway.stream_head
            self.chunked = True
            self.sent.append(held)
        else:
            self.body = b""
            start = gateway.head_of(head, len(held))
        figures.answered(head.status, self.canary)
        if gateway.closing or not self.keep_alive:
            self.keep_alive = False
            start += b"Connection: close\r\n"
        self.connection.write(
            b"%bx-request-id: %b\r\nopenai-processing-ms: %b\r\n\r\n%b"
            % (start, self.serial, head.processing_ms, self._framed(held, ended))
        )

    def forward(self, data: bytes, ended: bool) -> None:
        """Pass on a piece of the body."""
        self.sent.append(data)
        transport = self.connection.transport
        if transport is not None:
            transport.write(self._framed(data, ended))

    def _framed(self, data: bytes, ended: bool) -> bytes:
        if not self.chunked:
            return data
        # A chunk of no bytes would be the last one.
        chunk = framed(data) if data else b""
        return chunk + LAST_CHUNK if ended else chunk

    def completed(self) -> None:
        """The body was passed on to its end."""
        self._end(whole=self.status < 400)
        self.connection.finish(keep_alive=self.keep_alive and not self.gateway.closing)

    def broken(self) -> None:
        """The provider broke off in the middle of an answer: let the other route continue it."""
        self.upstream = None
        if not self.over:
            self.gateway.broke_off(self)

    def asks_for_rest(self) -> bool:
        """Turn it into a request for what is missing; False if there is none, or a second time."""
        rest = None if self.continued or not self.chunked else rest_of(self.body, self.sent)
        if rest is None:
            return False
        self.continued = True
        self.begun = False
        self.body = rest
        if not self.canary:
            self.gateway.figures.continued += 1
        return True

    # From the client, or the gateway itself

    def abandoned(self) -> None:
        """The client went away."""
        if self.over:
            return
        if not self.canary:
            self.gateway.figures.abandoned += 1
        self._end(cut=True)

    def cut(self) -> None:
        """The gateway breaks the stream itself."""
        upstream = self.upstream
        self.upstream = None
        if upstream is not None and upstream.attempt is self:
            upstream.abandon()
        self._break()

    def refuse(self, status: int, message: str, code: str) -> None:
        """Answer with an error instead of a stream; one that has begun is cut."""
        if self.continued:
            self.cut()
            return
        if self.over:
            return
        gateway = self.gateway
        gateway.figures.answered(status, self.canary)
        keep = self.keep_alive and not gateway.closing
        headers = gateway.common_headers + f"x-request-id: {self.serial.decode()}\r\n"
        if status in (429, 503):
            headers += RETRY_AFTER
        self.connection.write(error_answer(status, message, code, headers=headers, close=not keep))
        self._end()
        self.connection.finish(keep_alive=keep)

    def _break(self) -> None:
        """Cut the client's stream, without `[DONE]`."""
        if self.over:
            return
        if not self.canary:
            self.gateway.figures.broken += 1
        self._end(cut=True)
        self.connection.cut()

    def _end(self, *, whole: bool = False, cut: bool = False) -> None:
        # Neither complete nor cut: answered with an error, which no latency includes.
        self.over = True
        gateway = self.gateway
        if not self.canary:
            figures = gateway.figures
            accepted_s = figures.open.pop(self)
            waiting = figures.no_first_token.pop(self, None)
            if whole or cut:
                age_s = time.monotonic() - accepted_s
                if whole:
                    figures.completion.observe(age_s)
                else:
                    figures.completion.observe_never(age_s)
                    if waiting is not None:
                        figures.first_token.observe_never(age_s)
        upstream = self.upstream
        self.upstream = None
        self.body = b""
        self.sent = []
        self.connection.attempt = None
        if upstream is not None and upstream.attempt is self:
            upstream.abandon()
        if self.holds:
            self.holds = False
            gateway.admission.release()
