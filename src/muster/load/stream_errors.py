"""Detects that a stream of chat chunks failed, in any form that a platform or a proxy writes it.

An error is one of these:

- a data event with a member `error`, also in a choice, its delta or its message;
- a data event without `choices` whose `object` or `type` names an error, or that has `detail`,
  `errors`, a status from 400 on, or an error one level down: the forms of frameworks and proxies;
- a data event that is text and no JSON (`Internal Server Error`);
- a finish reason that no model gives (`error`, `abort`, …);
- a line of its own: `event: error`, `error: …`, or a bare body in JSON or HTML.

Generated text is never an error: in JSON its quotes are escaped, and it is inside a choice.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

FAILED_FINISH = re.compile(rb"error|abort|fail|insufficient|interrupt|timeout", re.IGNORECASE)
"""Finish reasons that say: the platform stopped, not the model."""
_FAILED_NAME = re.compile(rb"error|exception|fail", re.IGNORECASE)
_LOOKS_WRONG = re.compile(
    rb'(?<!\\)"error"\s*(?::\s*(?:[^\s:nf]|\Z)|\Z)|"finish_reason"\s*:\s*"error"'
)
_TEXT_ALONE = re.compile(rb"\s*(?!true\b|false\b|null\b)[A-Za-z<]")
_BODIES = (b"{", b"<")
_STATUSES = ("code", "status", "status_code")


def is_error_line(line: bytes) -> bool:
    """Whether a line that is no data line says that the stream failed."""
    name, colon, value = line.partition(b":")
    if name == b"event":
        return _FAILED_NAME.search(value) is not None
    return (bool(colon) and name == b"error") or line.lstrip().startswith(_BODIES)


def says_error(data: bytes) -> bool | None:
    """Whether the data of an event is an error; None if it is no JSON, or incomplete."""
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return any(_is_error(one) for one in (event if isinstance(event, list) else [event]))


def is_error(data: bytes) -> bool:
    """Whether one complete data event is an error. Text that contains the word is none."""
    told = says_error(data)
    if told is not None:
        return told
    return _LOOKS_WRONG.search(data) is not None or _TEXT_ALONE.match(data) is not None


def _is_error(event: Any) -> bool:
    if not isinstance(event, dict):
        return False
    if _failed(event) or "error" in (event.get("object"), event.get("type")):
        return True
    choices = event.get("choices")
    if not isinstance(choices, list):
        return _is_other_error(event)
    return any(
        isinstance(choice, dict)
        and (
            choice.get("finish_reason") == "error"
            or _failed(choice)
            or any(_failed(choice.get(part)) for part in ("delta", "message"))
        )
        for choice in choices
    )


def _is_other_error(event: dict[str, Any]) -> bool:
    """For an event without choices: whether it is an error in a form other than OpenAI's."""
    for key in ("object", "type"):
        name = event.get(key)
        if isinstance(name, str) and _FAILED_NAME.search(name.encode(errors="replace")):
            return True
    if event.get("detail") or event.get("errors"):
        return True
    if any(type(event.get(key)) is int and event[key] >= 400 for key in _STATUSES):
        return True
    failed = event.get("status")
    if isinstance(failed, str) and _FAILED_NAME.search(failed.encode(errors="replace")):
        return True
    return any(_failed(part) for part in event.values())


def _failed(part: Any) -> bool:
    """Whether it has a real error: `null`, false and an empty text mean that there is none."""
    return isinstance(part, dict) and part.get("error") not in (None, False, "")
