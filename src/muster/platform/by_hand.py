"""Lines for a shell that put things back without Muster: whole, quoted, and without any secret."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any

CALL_S_MAX = 10


def line(*words: str) -> str:
    """`words` as a shell reads them back."""
    return shlex.join(words)


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
    variable = next((name for name, value in os.environ.items() if value == token), None)
    return None if variable is None else f'-H "Authorization: Bearer ${variable}"'
