"""The planted defects of streams: requests with wrong answers, each a subclass of `Attempt`."""

from __future__ import annotations

import asyncio
import time

from muster.testbed.gateway.attempt import Attempt, Client
from muster.testbed.gateway.core import Gateway
from muster.testbed.gateway.upstream import Answer
from muster.testbed.provider.text import DONE, StreamText
from muster.testbed.wire.openai import ChatRequest
from muster.testbed.wire.server import Request

ERROR = b'data: {"error":{"message":"the provider failed","type":"server_error","code":502}}\n\n'
EMPTY = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
LOOK_S = 5.0


class FailingStream(Attempt):
    """`errors_in_stream`, `empty_streams`: some 200 streams carry an error, or nothing."""

    def begin(self, head: Answer, held: bytes, ended: bool) -> None:
        planted = self.gateway.planted
        if ended or not self.stream or self.canary or not planted.spoils(_streams(self.gateway)):
            super().begin(head, held, ended)
            return
        body = held + ERROR if planted.name == "errors_in_stream" else EMPTY
        super().begin(head, body + DONE, True)
        if not self.over:
            self.completed()


class CachedStream(Attempt):
    """`cached_answers`: once the region is alone, one token at once, whatever was requested."""

    def admitted(self) -> None:
        if not self.stream or not self.gateway.planted.answers_from_cache(_streams(self.gateway)):
            super().admitted()
            return
        text = StreamText(ChatRequest(self.body), "cached")
        self.route = "primary"
        self.sent_s = time.monotonic()
        self.begin(_CachedHead(), text.role() + text.content(1) + text.end(), True)  # type: ignore[arg-type]
        if not self.over:
            self.completed()


class StallingStream(Attempt):
    """`stalled_streams`: some streams stall in the middle, then continue as if nothing had
    happened.
    """

    def __init__(self, connection: Client, request: Request, *, canary: bool, stream: bool) -> None:
        super().__init__(connection, request, canary=canary, stream=stream)
        self._stalls = stream and not canary and self.gateway.planted.stalls()
        self._until_s = 0.0
        self._held = b""
        self._held_end = False
        self._whole = False

    def forward(self, data: bytes, ended: bool) -> None:
        if self._stalls:
            self._stalls = False
            self._until_s = time.monotonic() + self.gateway.config.stalled_s
            self._look()
        if not self._until_s:
            super().forward(data, ended)
            return
        self._held += data
        self._held_end |= ended

    def completed(self) -> None:
        if self._until_s:
            self._whole = True
        else:
            super().completed()

    def _look(self) -> None:
        """Continue once it is time; until then the silence is not the provider's."""
        if self.over:
            return
        left_s = self._until_s - time.monotonic()
        if left_s > 0:
            if self.upstream is not None:
                self.upstream.silent_s = 0
            asyncio.get_running_loop().call_later(min(left_s, LOOK_S), self._look)
            return
        self._until_s = 0.0
        super().forward(self._held, self._held_end)
        if self._whole:
            super().completed()


class PassingAttempt(Attempt):
    """`passes_on_429`, `passes_on_stream_errors`: what the provider says is for the client."""

    def takes(self, status: int) -> bool:
        return super().takes(status) or (
            status == 429 and self.gateway.planted.name == "passes_on_429"
        )

    def takes_body(self, body: bytes) -> bool:
        passes = self.gateway.planted.name == "passes_on_stream_errors"
        return passes or super().takes_body(body)


class _CachedHead:
    """The head that a provider's answer would have had."""

    status = 200
    content_type = b"text/event-stream; charset=utf-8"
    processing_ms = b"0"


STREAMS: dict[str, type[Attempt]] = {
    "errors_in_stream": FailingStream,
    "empty_streams": FailingStream,
    "cached_answers": CachedStream,
    "stalled_streams": StallingStream,
    "passes_on_429": PassingAttempt,
    "passes_on_stream_errors": PassingAttempt,
}


def _streams(gateway: Gateway) -> int:
    return gateway.admission.region_streams
