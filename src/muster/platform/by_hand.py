"""Lines for a shell that put things back without Muster: whole, quoted, and without any secret."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any

from muster.redact import redacted

CALL_S_MAX = 10


def line(*words: str) -> str:
    """`words` as a shell reads them back."""
    return shlex.join(words)


def words(*given: str) -> str | None:
    """`given` as a shell reads them back; a secret as the environment variable that holds it.

    None when a secret is in no variable: then there is no such line.
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
    """A call that fails for anything but 2xx in time; `retry` times more where nobody listens."""
    words = ["curl", "-fsS", "-m", str(CALL_S_MAX), "-X", method]
    if retry:
        words += ["--retry", str(retry), "--retry-connrefused", "--retry-delay", "1"]
    if body is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return " ".join(part for part in (line(*words), header, line(url)) if part)


def bearer(token: str | None) -> str | None:
    """curl's words for a token, as the environment variable that holds it; None when none does."""
    if token is None:
        return ""
    variable = _variable(token)
    return None if variable is None else f'-H "Authorization: Bearer ${variable}"'
