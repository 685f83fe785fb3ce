"""The bytes that the load sends: one small chat request for every number of tokens, built once."""

from __future__ import annotations

import orjson

from muster.load.config import Endpoint

_BUILT_MAX = 4096
_PROMPT = "Say all hands muster at the boats, as often as asked for."


class Requests:
    """Requests ready to be written, by their number of tokens."""

    def __init__(self, endpoint: Endpoint, token: str, model: str) -> None:
        self._head = (
            f"POST {endpoint.path} HTTP/1.1\r\nHost: {endpoint.host_header}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            "Accept: text/event-stream\r\nUser-Agent: muster-load\r\nContent-Length: "
        ).encode()
        self._model = model
        self._built: dict[int, bytes] = {}

    def of(self, tokens: int) -> bytes:
        """The whole request for `tokens` tokens."""
        built = self._built.get(tokens)
        if built is None:
            body = orjson.dumps(
                {
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
