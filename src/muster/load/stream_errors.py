"""Detects that a stream of chat chunks failed, in any form that a platform or a proxy writes it.

An error is one of these:

- a data event in which the event itself, a choice, its delta or its message has a member that names
  an error (`error`, `error_code`, `modelStreamErrorException`);
- a data event that has a status from 400 on, or one below 0, here or one level down;
- a data event without `choices` whose `object` or `type` names an error, or that has `detail`, a
  text for people (`message`), or says that it was no success: the forms of frameworks and proxies;
- a data event that is text and no chunk (`Internal Server Error`, `502 Bad Gateway`, `[ERROR] …`);
- a finish reason that no model gives (`error`, `abort`, `cancelled`, …);
- a line of its own: `event: error`, `error: …`, or a bare body in JSON, HTML or words.

Generated text is never an error: in JSON its quotes are escaped, and it is inside a choice.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

FAILED_FINISH = re.compile(
    rb"error|abort|fail|insufficient|interrupt|timeout|cancel|overload|unavailable|exhaust|preempt",
    re.IGNORECASE,
)
"""Finish reasons that say: the platform stopped, not the model."""
MARKS = (b"rror", b"xception", b"status")
"""One of them stands in every event with `choices` that is an error."""
_FAILED_NAME = re.compile(rb"error|exception|fail", re.IGNORECASE)
_ERROR_KEY = re.compile("error|exception", re.IGNORECASE)
_LOOKS_WRONG = re.compile(
    rb'(?<!\\)"error"\s*(?::\s*(?:[^\s:nf]|\Z)|\Z)|"finish_reason"\s*:\s*"error"'
)
_TEXT_ALONE = re.compile(rb"\s*(?:\[\s*[A-Za-z]|[^\s\[{\"].*?[A-Za-z])", re.DOTALL)
_NO_ERROR = re.compile(
    rb"\W*(?:true|false|null|done|end|eos|ping|pong|heart-?beat|keep-?alive)\b\W*", re.IGNORECASE
)
"""Words alone that keep a connection open or end a stream."""
_BODIES = (b"{", b"<")
_STATUSES = ("status_code", "http_status", "httpStatus")
_STATUSES_ALONE = ("code", "status", *_STATUSES)
"""Of an event without choices: elsewhere a code may be anything."""
_MESSAGES = ("message", "msg")
_SUCCESSES = ("success", "ok")


def is_error_line(line: bytes) -> bool:
    """Whether a line that is no data line says that the stream failed."""
    name, colon, value = line.partition(b":")
    if name == b"event":
        return _FAILED_NAME.search(value) is not None
    if (colon and name == b"error") or line.lstrip().startswith(_BODIES):
        return True
    # A field's name is one word: other words are a body that a server or a proxy put there.
    words = name.split()
    return len(words) > 1 or (not colon and _FAILED_NAME.search(name) is not None)


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
    return _LOOKS_WRONG.search(data) is not None or _is_text(data)


def _is_text(data: bytes) -> bool:
    """Whether words stand where an event should; not those that keep a connection open."""
    return _TEXT_ALONE.match(data) is not None and _NO_ERROR.fullmatch(data) is None


def _is_error(event: Any) -> bool:
    if isinstance(event, str):
        return _is_text(event.encode(errors="replace"))
    if not isinstance(event, dict):
        return False
    parts = [part for key, part in event.items() if key != "choices" and isinstance(part, dict)]
    if _failed(event) or "error" in (event.get("object"), event.get("type")):
        return True
    if any(_status_failed(one, _STATUSES) for one in (event, *parts)):
        return True
    choices = event.get("choices")
    if not isinstance(choices, list):
        return _is_other_error(event) or any(_failed(part) for part in parts)
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
    for key in ("object", "type", "status"):
        name = event.get(key)
        if isinstance(name, str) and _FAILED_NAME.search(name.encode(errors="replace")):
            return True
    if any(event.get(key) is False for key in _SUCCESSES) or event.get("detail"):
        return True
    # A `message` that is an object is what was generated, in the form of another API.
    told = any(isinstance(event.get(key), str) and event[key] for key in _MESSAGES)
    return told or _status_failed(event, _STATUSES_ALONE)


def _status_failed(part: dict[str, Any], keys: tuple[str, ...]) -> bool:
    """Whether a status of it says so: from 400 on, or below 0."""
    found = (part.get(key) for key in keys)
    numbers = (int(one) if isinstance(one, str) and one.isdecimal() else one for one in found)
    return any(type(one) is int and (one >= 400 or one < 0) for one in numbers)


def _failed(part: Any) -> bool:
    """Whether a member names a real error: `null`, false, 0 and an empty text are none."""
    return isinstance(part, dict) and any(
        _ERROR_KEY.search(key) is not None and value not in (None, False, "", [])
        for key, value in part.items()
    )
