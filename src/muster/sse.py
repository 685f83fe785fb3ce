"""Reads one line of a server-sent event stream of chat chunks, mostly without parsing its JSON.

A quote inside a JSON string is always written `\\"`, so a key such as `"content":` cannot appear in
generated text. Only a line that contains the whole word `"error"`, or whose delta holds lists or
objects where text is expected, must be parsed.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

# The look-ahead avoids testing the alternatives against most keys: a third of the time.
_TEXT = re.compile(
    rb'"(?=[cratf])(?:(?:content|reasoning_content|reasoning|thinking|refusal|arguments)"\s*:\s*"[^"]'
    rb'|tool_calls"\s*:\s*\[\s*\{|function_call"\s*:\s*\{\s*")'
)
PART_LISTS = (
    "content", "reasoning", "reasoning_content", "reasoning_details", "thinking",
    "thinking_blocks", "audio", "images",
)  # fmt: skip
"""Members of a delta that may be a list or an object of parts."""
_PARTS = re.compile(rb'"(?:%b)"\s*:\s*[\[{]' % "|".join(PART_LISTS).encode())
_NO_TEXT = frozenset({"format", "id", "index", "signature", "type"})
"""Members of a part that describe it, and are not generated content."""
_DATA = b"data:"


def generated(line: bytes) -> bool:
    """Whether `line` is a `data:` line with a generated delta of any kind.

    That is text, reasoning, a refusal, a tool call, or parts of them in a list. An empty text, or
    an event with only a role, is none.
    """
    if not line.startswith(_DATA):
        return False
    return _TEXT.search(line) is not None or (
        _PARTS.search(line) is not None and bool(part_texts(line[len(_DATA) :]))
    )


def carries_delta(seen: bytes) -> bool:
    """Whether a line of `seen`, which begins with a line, carries a generated delta."""
    if _TEXT.search(seen) is None and _PARTS.search(seen) is None:
        return False
    return any(generated(line) for line in seen.split(b"\n"))


def part_texts(data: bytes) -> list[str]:
    """The parts in an event's deltas, if they are in lists or objects."""
    try:
        event: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return []
    choices = event.get("choices") if isinstance(event, dict) else None
    deltas = [
        choice.get("delta")
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict)
    ]
    return [
        text
        for delta in deltas
        if isinstance(delta, dict)
        for key in PART_LISTS
        if isinstance(delta.get(key), list | dict)
        for text in texts_of(delta[key])
    ]


def texts_of(part: Any) -> list[str]:
    """Every text of a part that is not empty and does not describe the part itself."""
    if isinstance(part, str):
        return [part] if part else []
    if isinstance(part, list):
        return [text for one in part for text in texts_of(one)]
    if isinstance(part, dict):
        return [t for key, one in part.items() if key not in _NO_TEXT for t in texts_of(one)]
    return []
