"""Shell lines that restore something without Muster: complete, quoted, and without any secret."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any

from muster.redact import redacted

CALL_S_MAX = 10


def line(*words: str) -> str:
    """`words`, quoted for a shell."""
    return shlex.join(words)


def words(*given: str) -> str | None:
    """`given`, quoted for a shell; a secret appears as the environment variable that holds it.

    None if a secret is in no variable: then no such line can be given.
    """
    found = [_word(word) for word in given]
    return None if None in found else " ".join(word for word in found if word is not None)


def _word(word: str) -> str | None:
    if redacted(word) == word:
        return line(word)
    variable = _variable(word)
    return None if variable is None else f'"${variable}"'


def _variable(value: str) -> str | None:
    return next((name for name, held in os.environ.items() if held == value), None)


def curl(method: str, url: str, body: Any = None, *, header: str = "", retry: int = 0) -> str:
    """A curl call that fails unless it gets a 2xx in time; `retry` more times if nothing
    listens.
    """
    words = ["curl", "-fsS", "-m", str(CALL_S_MAX), "-X", method]
    if retry:
        words += ["--retry", str(retry), "--retry-connrefused", "--retry-delay", "1"]
    if body is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return " ".join(part for part in (line(*words), header, line(url)) if part)


def bearer(token: str | None) -> str | None:
    """curl's arguments for a token, as the environment variable that holds it; None if none
    does.
    """
    if token is None:
        return ""
    variable = _variable(token)
    return None if variable is None else f'-H "Authorization: Bearer ${variable}"'
