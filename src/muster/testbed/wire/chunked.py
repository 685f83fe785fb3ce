"""Writes HTTP/1.1 bodies in chunks (RFC 9112, section 7.1)."""

from __future__ import annotations

LAST_CHUNK = b"0\r\n\r\n"


def framed(body: bytes) -> bytes:
    """`body` as one chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)
