"""The bytes of an answer: chunks of a stream, or one JSON document."""

from __future__ import annotations

import time
from functools import lru_cache

import orjson

from muster.testbed.wire.openai import ChatRequest

_WORDS = ("all", "hands", "muster", "at", "the", "boats")
DONE = b"data: [DONE]\n\n"


@lru_cache(maxsize=4096)
def tokens_text(count: int) -> bytes:
    """`count` tokens of text that needs no escaping in JSON."""
    return b"".join(b" " + _WORDS[i % len(_WORDS)].encode() for i in range(count))


class StreamText:
    """The events of one stream. Each chunk is joined from three pieces: nothing is serialized for
    it.
    """

    __slots__ = ("_ask", "_open")

    def __init__(self, ask: ChatRequest, serial: str) -> None:
        self._ask = ask
        self._open = (
            b'data: {"id":"chatcmpl-%b","object":"chat.completion.chunk","created":%d,"model":%b,'
            b'"choices":[{"index":0,"delta":'
        ) % (serial.encode(), int(time.time()), orjson.dumps(ask.model))

    def role(self) -> bytes:
        return b'%b{"role":"assistant","content":""},"finish_reason":null}]}\n\n' % self._open

    def content(self, tokens: int) -> bytes:
        return b'%b{"content":"%b"},"finish_reason":null}]}\n\n' % (
            self._open,
            tokens_text(tokens),
        )

    def end(self) -> bytes:
        """Finish reason, usage if it was requested, and `[DONE]`."""
        last = b'%b{},"finish_reason":"length"}]}\n\n' % self._open
        if self._ask.include_usage:
            head = self._open[: self._open.index(b'"choices"')]
            last += b'%b"choices":[],"usage":%b}\n\n' % (head, orjson.dumps(usage(self._ask)))
        return last + DONE


def usage(ask: ChatRequest) -> dict[str, int]:
    """Token counts; the stub does not count a prompt's tokens."""
    return {"prompt_tokens": 1, "completion_tokens": ask.tokens, "total_tokens": ask.tokens + 1}


def whole(ask: ChatRequest, serial: str) -> bytes:
    """The answer to a request without `stream`."""
    message = {"role": "assistant", "content": tokens_text(ask.tokens).decode(), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}
    return orjson.dumps(
        {
            "id": f"chatcmpl-{serial}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": ask.model,
            "choices": [choice],
            "usage": usage(ask),
        }
    )
