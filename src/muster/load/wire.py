"""One HTTP/1.x answer read by hand: head, framing, and the three events a stream is timed by.

Only what the timing needs is looked at; nothing is parsed as JSON. A chunk of a stream costs one
pass over its bytes. The parser holds no socket and no clock: bytes in, flags out.
"""

from __future__ import annotations

import re

HEAD_BYTES_MAX = 65536
_BODY_KEPT_MAX = 65536
_TAIL = 16
_CONTENT = re.compile(rb'(?:^|\n)data:[^\n]*?"content":[ ]?"[^"]')
_DONE = re.compile(rb"(?:^|\n)data: ?\[DONE\]")
_HEX = re.compile(rb"[0-9A-Fa-f]+\Z")


class WireError(Exception):
    """The bytes are no HTTP answer."""


class Answer:
    """What is known of one answer so far; `feed` moves it on."""

    __slots__ = (
        "_chunked", "_head", "_in_trailer", "_left", "_line", "_tail",
        "body", "complete", "content", "done", "got_bytes", "headers", "keep_alive", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.got_bytes = False  # any byte of the body
        self.content = False  # a data event that carries content
        self.done = False  # data: [DONE]
        self.complete = False  # the message reached its proper end
        self.keep_alive = True
        self.body = b""  # of an answer that is no 2xx, bounded
        self._head = b""
        self._chunked = False
        self._left = 0  # of the chunk (with its line end), or of the body; -1: until closed
        self._line = b""  # a chunk's size line cut in two
        self._in_trailer = False
        self._tail = b""

    @property
    def untouched(self) -> bool:
        """Not one byte came."""
        return not self.status and not self._head

    def feed(self, data: bytes) -> None:
        """Read on. Raises WireError for what is no HTTP answer, or bytes after its end."""
        if not self.status:
            data = self._read_head(data)
            if not self.status:
                return
        if self.complete:
            if data:
                raise WireError("bytes after the answer's end")
            return
        if not data:
            return
        if self._chunked:
            self._read_chunks(data)
        elif self._left < 0:
            self._take(data)
        else:
            self._take(data[: self._left])
            extra = len(data) - self._left
            self._left = max(0, -extra)
            if self._left == 0:
                self.complete = True
            if extra > 0:
                raise WireError("bytes after the answer's end")

    def eof(self) -> None:
        """The peer closed: the proper end only for a body that lasts until then."""
        if self.status and not self._chunked and self._left < 0:
            self.complete = True
            self.keep_alive = False

    def _read_head(self, data: bytes) -> bytes:
        head = self._head + data if self._head else data
        end = head.find(b"\r\n\r\n")
        if end < 0:
            if len(head) > HEAD_BYTES_MAX:
                raise WireError("a head over 64 KiB")
            if not b"HTTP/1.".startswith(head[:7]):
                raise WireError("no HTTP/1.x status line")
            self._head = head
            return b""
        lines = head[:end].split(b"\r\n")
        rest = head[end + 4 :]
        first = lines[0]
        if not first.startswith(b"HTTP/1.") or not first[9:12].isdigit():
            raise WireError("no HTTP/1.x status line")
        status = int(first[9:12])
        if 100 <= status < 200:  # an interim answer: the real one follows
            self._head = b""
            return self._read_head(rest) if rest else b""
        headers = self.headers
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        self._head = b""
        self.status = status
        self._framing(first[5:8] == b"1.0")
        return rest

    def _framing(self, http10: bool) -> None:
        headers = self.headers
        connection = headers.get(b"connection", b"").lower()
        self.keep_alive = b"keep-alive" in connection if http10 else b"close" not in connection
        length = headers.get(b"content-length")
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            self._chunked = True
        elif self.status in (204, 304):
            self.complete = True
        elif length is not None:
            if not length.isdigit():
                raise WireError("a Content-Length that is no number")
            self._left = int(length)
            self.complete = self._left == 0
        else:
            self._left = -1
            self.keep_alive = False

    def _read_chunks(self, data: bytes) -> None:
        if self._line:
            data = self._line + data
            self._line = b""
        at = 0
        length = len(data)
        while at < length:
            left = self._left
            if left:
                end = at + left
                if end <= length:
                    # The chunk's own line end is the last two bytes of what is left.
                    if left > 2:
                        self._take(data[at : end - 2])
                    self._left = 0
                    at = end
                    continue
                body_end = min(length, end - 2)
                if body_end > at:
                    self._take(data[at:body_end])
                self._left = end - length
                return
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                if length - at > 1024:
                    raise WireError("a chunk size over 1 KiB")
                self._line = data[at:]
                return
            line = data[at:line_end]
            at = line_end + 2
            if self._in_trailer:
                if not line:
                    self.complete = True
                    if at < length:
                        raise WireError("bytes after the answer's end")
                continue
            size = line.split(b";", 1)[0].strip()
            if not _HEX.match(size):
                raise WireError("a chunk size that is no hexadecimal number")
            octets = int(size, 16)
            if octets:
                self._left = octets + 2
            else:
                self._in_trailer = True

    def _take(self, data: bytes) -> None:
        """Look at a piece of the body."""
        self.got_bytes = True
        if not 200 <= self.status < 300:
            if len(self.body) < _BODY_KEPT_MAX:
                self.body += data
            return
        if not self.content:
            # Events may be cut anywhere: kept until the first content, bounded.
            seen = self._tail + data if self._tail else data
            if _CONTENT.search(seen):
                self.content = True
            if _DONE.search(seen):
                self.done = True
            self._tail = seen[-_TAIL:] if self.content else seen[-_BODY_KEPT_MAX:]
            return
        if b"]" in data:
            seen = self._tail + data
            if _DONE.search(seen):
                self.done = True
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
