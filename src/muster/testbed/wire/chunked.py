"""Bodies of HTTP/1.1 in chunks (RFC 9112, section 7.1), written."""

from __future__ import annotations

LAST_CHUNK = b"0\r\n\r\n"


def framed(body: bytes) -> bytes:
    """`body` as one chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)
