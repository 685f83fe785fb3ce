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


def curl(method: str, url: str, body: Any = None, *, token: str | None = None) -> str | None:
    """A call that fails for anything but 2xx in time.

    A token stands in it as the environment variable that holds it; None when none does.
    """
    words = ["curl", "-fsS", "-m", str(CALL_S_MAX), "-X", method]
    said = line(*words)
    if token is not None:
        variable = next((name for name, value in os.environ.items() if value == token), None)
        if variable is None:
            return None
        said += f' -H "Authorization: Bearer ${variable}"'
    if body is not None:
        said += " " + line("-H", "Content-Type: application/json", "-d", json.dumps(body))
    return f"{said} {line(url)}"
