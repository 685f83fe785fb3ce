"""The public side of the gateway: which client asks, for what, and the form of errors."""

from __future__ import annotations

import hmac

from muster.testbed.gateway.attempt import Attempt
from muster.testbed.gateway.core import Gateway
from muster.testbed.wire.openai import (
    CHAT_PATH,
    MODELS_BODY,
    MODELS_PATH,
    BadRequest,
    ChatRequest,
    error_answer,
)
from muster.testbed.wire.server import Connections, Request, ServerConnection, answer

_REFUSALS = {
    400: ("the request could not be read", "bad_request"),
    413: ("the body is too large", "body_too_large"),
    431: ("the headers are too large", "headers_too_large"),
}


class ChatConnection(ServerConnection):
    """One client. `attempt_type` is the class of the attempts that its requests become."""

    __slots__ = ("attempt", "attempt_type", "gateway")

    def __init__(
        self, connections: Connections, gateway: Gateway, attempt_type: type[Attempt]
    ) -> None:
        super().__init__(connections)
        self.gateway = gateway
        self.attempt_type = attempt_type
        self.attempt: Attempt | None = None

    def handle(self, request: Request) -> None:
        target = request.target
        if target == CHAT_PATH:
            self._chat(request)
        elif target in (b"/healthz", b"/readyz"):
            status = 200 if target == b"/healthz" or self.gateway.ready else 503
            keep = request.keep_alive and not self.gateway.closing
            self.write(answer(status, b"{}", close=not keep))
            self.finish(keep_alive=keep)
        elif target == MODELS_PATH and request.method == b"GET":
            if self._canary_by_token(request) is None:
                self._error(request, 401, "the API key is not valid", "invalid_api_key")
            else:
                keep = request.keep_alive and not self.gateway.closing
                headers = self.gateway.common_headers
                self.write(answer(200, MODELS_BODY, headers=headers, close=not keep))
                self.finish(keep_alive=keep)
        else:
            self._error(request, 404, "no such path", "not_found")

    def refuse(self, status: int) -> None:
        message, code = _REFUSALS[status]
        self.gateway.figures.answered(status, False)
        headers = self.gateway.common_headers
        self.write(error_answer(status, message, code, headers=headers, close=True))

    def gone(self) -> None:
        if self.attempt is not None:
            self.attempt.abandoned()

    def cut(self) -> None:
        """Close after what was written, without a proper end."""
        self.busy = False
        self.close()

    def pause_writing(self) -> None:
        upstream = self.attempt.upstream if self.attempt is not None else None
        if upstream is not None:
            upstream.pause()

    def resume_writing(self) -> None:
        upstream = self.attempt.upstream if self.attempt is not None else None
        if upstream is not None:
            upstream.resume()

    def _chat(self, request: Request) -> None:
        canary = self._canary_by_token(request)
        if request.method != b"POST":
            self._error(request, 405, "only POST is served here", "method_not_allowed")
            return
        if canary is None:
            self._error(request, 401, "the API key is not valid", "invalid_api_key")
            return
        try:
            ask = ChatRequest(request.body)
        except BadRequest as error:
            self._error(request, 400, str(error), None, canary=canary)
            return
        if ask.stream and request.old:
            self._error(request, 400, "streams need HTTP/1.1", None, canary=canary)
            return
        self.attempt = self.attempt_type(self, request, canary=canary, stream=ask.stream)
        self.gateway.admit(self.attempt)

    def _canary_by_token(self, request: Request) -> bool | None:
        """Whether the token is the canaries'; None for an invalid token."""
        given = request.authorization
        if hmac.compare_digest(given, self.gateway.bearer):
            return False
        if hmac.compare_digest(given, self.gateway.canary_bearer):
            return True
        return None

    def _error(
        self, request: Request, status: int, message: str, code: str | None, *, canary: bool = False
    ) -> None:
        gateway = self.gateway
        gateway.figures.answered(status, canary)
        keep = request.keep_alive and not gateway.closing
        headers = gateway.common_headers
        self.write(error_answer(status, message, code, headers=headers, close=not keep))
        self.finish(keep_alive=keep)
