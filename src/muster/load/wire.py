"""Parses one HTTP/1.x answer: head and framing; `events` parses the stream's content.

Most reads of a stream bring one plain event in a chunk of its own; such a read costs two
comparisons and one search. The parser holds no socket and no clock: bytes in, flags out.
"""

from __future__ import annotations

import re

from muster.load.events import Events

HEAD_BYTES_MAX = 65536
_BODY_KEPT_MAX = 65536
_HEX = re.compile(rb"[0-9A-Fa-f]+\Z")
_END = b"\r\n0\r\n\r\n"
_SIZES_KEPT_MAX = 4096
_sizes: dict[bytes, int] = {}
"""Parsed size lines: the same lengths occur again and again."""
_NO_EVENTS = Events()
"""The value for an answer whose body is no stream; nothing is ever parsed into it."""


class WireError(Exception):
    """The bytes are no HTTP answer."""


class Answer:
    """What is known of one answer so far; `feed` adds to it."""

    __slots__ = (
        "_between", "_chunked", "_head", "_in_trailer", "_keep", "_left", "_line", "_lowered",
        "_raw",
        "body", "complete", "events", "got_bytes", "keep_alive", "status",
    )  # fmt: skip

    def __init__(self, *, keep: bool = False) -> None:
        """`keep`: also keep the body of a 2xx answer."""
        self.status = 0
        self.got_bytes = False  # any byte of the body
        self.events = _NO_EVENTS  # of a 2xx answer: what its stream says
        self.complete = False  # the message reached its proper end
        self.keep_alive = True
        self.body = b""  # bounded
        self._keep = keep
        self._head = b""
        self._raw = b""
        self._lowered = b""
        self._between = False
        self._chunked = False
        self._left = 0  # of the chunk (with its line end), or of the body; -1: until closed
        self._line = b""  # a chunk's size line cut in two
        self._in_trailer = False

    @property
    def content(self) -> bool:
        """Whether a generated delta came."""
        return self.events.generated

    def moved_on(self) -> bool:
        """Whether a generated delta came since the last call."""
        events = self.events
        fresh = events.fresh
        if fresh:
            events.fresh = False
        return fresh

    @property
    def done(self) -> bool:
        """Whether the stream said that it is done."""
        return self.events.done

    @property
    def untouched(self) -> bool:
        """Whether not one byte came."""
        return not self.status and not self._head

    def feed(self, data: bytes) -> bool:
        """Read on; returns False if that was one more plain event of a stream.

        Raises WireError for bytes that are no HTTP answer, or that follow its end.
        """
        if self._between:
            # Most later reads bring one chunk alone, or one chunk and the end.
            line = data.find(b"\r\n", 0, 16)
            octets = _sizes.get(data[:line], 0)
            end = line + 2 + octets
            if octets and len(data) == end + 2:
                events = self.events
                front = events.front
                if data.startswith(front, line + 2):
                    text = line + 2 + len(front)
                    quote = data.find(b'"', text)
                    if quote > text and data[quote:] == events.back_chunk:
                        events.text_bytes += quote - text
                        return False
            elif octets and data.startswith(_END, end) and len(data) == end + len(_END):
                self._take(data[line + 2 : end])
                self.complete = True
                self._between = False
                return True
        self._feed(data)
        # Between two events of a stream: most later reads can be skipped.
        self._between = (
            self._chunked
            and not (self._left or self._line or self._in_trailer or self._keep)
            and self.events.between
        )
        return True

    def _feed(self, data: bytes) -> None:
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
        """The peer closed: a proper end only for a body that lasts until the connection closes."""
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
        if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
            raise WireError("no HTTP/1.x status line")
        rest = head[end + 4 :]
        status = int(head[9:12])
        self._head = b""
        if 100 <= status < 200:  # an interim answer: the real one follows
            return self._read_head(rest) if rest else b""
        self.status = status
        if 200 <= status < 300:
            self.events = Events()
        self._raw = head[: end + 2]
        self._lowered = self._raw.lower()
        self._framing(head[5:8] == b"1.0")
        return rest

    def header(self, name: bytes) -> bytes | None:
        """The value of the header `name` (lower case) as received; None without one."""
        found = self._lowered.find(b"\r\n" + name + b":")
        if found < 0:
            return None
        start = found + len(name) + 3
        return self._raw[start : self._raw.find(b"\r\n", start)].strip()

    def _framing(self, http10: bool) -> None:
        lowered = self._lowered
        if http10 or lowered.rfind(b"\r\nconnection:") >= 0:
            connection = (self.header(b"connection") or b"").lower()
            self.keep_alive = b"keep-alive" in connection if http10 else b"close" not in connection
        if (
            lowered.rfind(b"\r\ntransfer-encoding: chunked\r\n") >= 0
            or b"chunked" in (self.header(b"transfer-encoding") or b"").lower()
        ):
            self._chunked = True
            return
        length = self.header(b"content-length")
        if self.status in (204, 304):
            self.complete = True
        elif length is not None:
            if not length.isdigit():
                raise WireError("a Content-Length that is not a number")
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
                    # The chunk's own line end is the last two bytes of the rest.
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
            octets = _sizes.get(line, -1)
            if octets < 0:
                octets = _size(line)
            if octets:
                self._left = octets + 2
            else:
                self._in_trailer = True

    def _take(self, data: bytes) -> None:
        """Parse a piece of the body."""
        self.got_bytes = True
        stream = 200 <= self.status < 300
        if (self._keep or not stream) and len(self.body) < _BODY_KEPT_MAX:
            self.body += data
        if stream:
            self.events.take(data)


def _size(line: bytes) -> int:
    """Octets of the chunk that a size line starts. Raises WireError."""
    size = line.split(b";", 1)[0].strip()
    if not _HEX.match(size):
        raise WireError("a chunk size that is no hexadecimal number")
    octets = int(size, 16)
    if len(_sizes) < _SIZES_KEPT_MAX:
        _sizes[line] = octets
    return octets
