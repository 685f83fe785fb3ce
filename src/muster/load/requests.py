"""The bytes that the load sends: one small chat request for every number of tokens, built once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from muster.load.config import Endpoint

_BUILT_MAX = 4096
TOKENS_ASKED = "{tokens}"
"""Stands in a target's own fields for the number of tokens that the request asks for."""
_PROMPT = "Say all hands muster at the boats, as often as asked for."


class Requests:
    """Requests ready to be written, by their number of tokens."""

    def __init__(
        self, endpoint: Endpoint, token: str, model: str, body: Mapping[str, Any] | None = None
    ) -> None:
        """`body`: fields that the target wants besides the load's own; never in place of those."""
        self._head = (
            f"POST {endpoint.path} HTTP/1.1\r\nHost: {endpoint.host_header}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            "Accept: text/event-stream\r\nUser-Agent: muster-load\r\nContent-Length: "
        ).encode()
        self._model = model
        self._body = dict(body or {})
        self._built: dict[int, bytes] = {}

    def of(self, tokens: int) -> bytes:
        """The whole request for `tokens` tokens."""
        built = self._built.get(tokens)
        if built is None:
            body = orjson.dumps(
                {
                    **_filled(self._body, tokens),
                    "model": self._model,
                    "messages": [{"role": "user", "content": _PROMPT}],
                    "stream": True,
                    "max_tokens": tokens,
                }
            )
            built = self._head + b"%d\r\n\r\n" % len(body) + body
            if len(self._built) < _BUILT_MAX:
                self._built[tokens] = built
        return built


def _filled(value: Any, tokens: int) -> Any:
    """`value` with the number of tokens wherever it asks for it."""
    if isinstance(value, dict):
        return {key: _filled(item, tokens) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, tokens) for item in value]
    return tokens if value == TOKENS_ASKED else value
