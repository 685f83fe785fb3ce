"""HTTP headers in a target file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADERS_OWN = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "transfer-encoding",
    }
)
"""Headers that an HTTP client or other keys of a target set."""


def header_name(value: str) -> str:
    """Return `value` if it is the name of an HTTP header. Raises ValueError."""
    if not _NAME.fullmatch(value):
        raise ValueError("the name of an HTTP header, for example X-Scope-OrgID")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _NAME.fullmatch(name):
            raise ValueError("names of HTTP headers, for example X-Scope-OrgID")
        if name.lower() in HEADERS_OWN:
            raise ValueError(f"other headers: {name} is set by other keys or by the HTTP client")
        if not text.isascii() or not text.isprintable():
            raise ValueError("values of HTTP headers: printable ASCII on one line")
    return value


Headers = Annotated[dict[str, str], AfterValidator(_headers)]
"""Header name -> value."""
