"""A stream that its provider broke off: what is missing of it is asked of the other route.

The client has read a part of the answer, so it cannot begin again. What it has read goes along as
the beginning of the answer, and only the tokens that have not come yet are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from muster.sse import carries_delta
from muster.testbed.wire.openai import BadRequest, ChatRequest

EVENT_END = b"\n\n"
DATA = b"data: {"


def rest_of(body: bytes, sent: Iterable[bytes]) -> bytes | None:
    """The request for the rest of an answer to `body` of which `sent` was passed on.

    None if it cannot be continued: it broke off within an event, or nothing is missing. A word is a
    token, as it is for the provider's stub.
    """
    text = b"".join(sent)
    if not text.endswith(EVENT_END):
        return None
    try:
        asked = ChatRequest(body).tokens
        said = "".join(map(_content, (line for line in text.split(b"\n") if line.startswith(DATA))))
        missing = asked - len(said.split())
        ask: dict[str, Any] = orjson.loads(body)
    except (BadRequest, orjson.JSONDecodeError, LookupError, TypeError):
        return None
    if missing < 1:
        return None
    ask.pop("max_completion_tokens", None)
    begun = {"role": "assistant", "content": said}
    return orjson.dumps({**ask, "max_tokens": missing, "messages": [*ask["messages"], begun]})


def without_role(held: bytes) -> bytes:
    """The beginning of a further answer without its first event, if that only says who speaks."""
    first, _, rest = held.partition(EVENT_END)
    return rest if b'"role"' in first and not carries_delta(first + b"\n") else held


def _content(line: bytes) -> str:
    choices = orjson.loads(line.removeprefix(b"data: "))["choices"]
    return str(choices[0]["delta"].get("content", "")) if choices else ""
