"""The few forms of OpenAI's chat API that both servers use (source: its API reference)."""

from __future__ import annotations

from typing import Any

import orjson

from muster.testbed.wire.server import answer

CHAT_PATH = b"/v1/chat/completions"
MODELS_PATH = b"/v1/models"
MODEL = "muster-stub"
TOKENS_DEFAULT = 100
MODELS_BODY = orjson.dumps(
    {
        "object": "list",
        "data": [{"id": MODEL, "object": "model", "created": 1767225600, "owned_by": "muster"}],
    }
)
_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error"}


class BadRequest(ValueError):
    """The body is not a chat request; the text says why."""


class ChatRequest:
    """The part of a chat request that the servers use."""

    __slots__ = ("include_usage", "model", "stream", "tokens")

    def __init__(self, body: bytes) -> None:
        """Read `body`. Raises BadRequest."""
        try:
            data: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadRequest("the body is not valid JSON") from error
        if not isinstance(data, dict):
            raise BadRequest("the body is not a JSON object")
        messages = data.get("messages")
        if not isinstance(messages, list) or not messages:
            raise BadRequest("'messages' must be a list with at least one message")
        model = data.get("model")
        if not isinstance(model, str) or not model:
            raise BadRequest("'model' must be a string")
        stream = data.get("stream", False)
        if stream is not None and not isinstance(stream, bool):
            raise BadRequest("'stream' must be true or false")
        tokens = data.get("max_completion_tokens", data.get("max_tokens"))
        if tokens is None:
            tokens = TOKENS_DEFAULT
        if not isinstance(tokens, int) or isinstance(tokens, bool) or not 1 <= tokens <= 100_000:
            raise BadRequest("'max_tokens' must be a whole number from 1 to 100000")
        options = data.get("stream_options")
        self.model = model
        self.stream = bool(stream)
        self.tokens = tokens
        self.include_usage = isinstance(options, dict) and options.get("include_usage") is True


def error_answer(
    status: int, message: str, code: str | None, *, headers: str = "", close: bool = False
) -> bytes:
    """An error in OpenAI's form, ready to be written."""
    return answer(status, error_body(status, message, code), headers=headers, close=close)


def error_body(status: int, message: str, code: str | None) -> bytes:
    """The JSON of an error in OpenAI's form."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})
