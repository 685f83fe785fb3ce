"""Chunked framing and server-sent events, read without taking them apart.

The bytes of a stream pass through as they come. All that is asked of them is where the body ends
(`ChunkedBody`) and when the first event with content came (`FirstContent`).
"""

from __future__ import annotations

import re

SIZE_LINE_BYTES_MAX = 256
TRAILER_BYTES_MAX = 8 * 1024
_CONTENT = re.compile(rb'^data:[^\n]*?"content":[ ]*"[^"]', re.MULTILINE)


class FramingError(ValueError):
    """The peer's chunked framing can't be read."""


class ChunkedBody:
    """Where a chunked body ends (RFC 9112, section 7.1)."""

    __slots__ = ("_left", "_part", "excess")

    def __init__(self) -> None:
        self._left = 0
        self._part = b""
        self.excess = False

    def feed(self, data: bytes) -> bool:
        """Whether `data` reaches the end of the body. Raises FramingError.

        After the end, `excess` says whether bytes followed it.
        """
        position = 0
        if self._part:
            data = self._part + data
            self._part = b""
        size_all = len(data)
        left = self._left
        while True:
            if left:
                if left >= size_all - position:
                    self._left = left - (size_all - position)
                    return False
                position += left
                left = 0
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                self._keep(data, position, SIZE_LINE_BYTES_MAX)
                return False
            try:
                size = int(data[position:line_end].partition(b";")[0], 16)
            except ValueError as error:
                raise FramingError("not a chunk size") from error
            if size < 0:
                raise FramingError("a negative chunk size")
            if size == 0:
                return self._trailer(data, position, line_end + 2)
            position = line_end + 2
            left = size + 2

    def _trailer(self, data: bytes, line_start: int, position: int) -> bool:
        if data.startswith(b"\r\n", position):
            end = position + 2
        else:
            blank = data.find(b"\r\n\r\n", position)
            if blank < 0:
                self._keep(data, line_start, TRAILER_BYTES_MAX)
                return False
            end = blank + 4
        self.excess = end != len(data)
        return True

    def _keep(self, data: bytes, position: int, bytes_max: int) -> None:
        self._left = 0
        self._part = data[position:]
        if len(self._part) > bytes_max:
            raise FramingError("a line without an end")


class FirstContent:
    """Finds the first `data:` event that carries content: no comment, no empty role event."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = b""

    def feed(self, data: bytes) -> bool:
        """Whether content has come with `data` at the latest. Ask no more after True."""
        if self._line:
            data = self._line + data
        # A plain search first: the pattern walks every byte of every line.
        if b'"content"' in data and _CONTENT.search(data):
            return True
        # An event may be split anywhere: its line is kept until it is whole.
        self._line = data[data.rfind(b"\n") + 1 :]
        return False


class AnswerHead:
    """The head of an answer: status, and the few headers that decide how its body is read."""

    __slots__ = (
        "chunked",
        "content_bytes",
        "content_type",
        "keep_alive",
        "processing_ms",
        "status",
    )

    def __init__(self, head: bytes) -> None:
        """`head` is everything up to the blank line. Raises FramingError."""
        lines = head.split(b"\r\n")
        try:
            if not lines[0].startswith(b"HTTP/1."):
                raise FramingError("not an HTTP/1 answer")
            self.status = int(lines[0][9:12])
            self.keep_alive = lines[0].startswith(b"HTTP/1.1")
            self.chunked = False
            self.content_bytes: int | None = None
            self.content_type = b"application/json"
            self.processing_ms = b""
            for line in lines[1:]:
                name, _, value = line.partition(b":")
                name = name.lower()
                if name == b"content-length":
                    self.content_bytes = int(value)
                elif name == b"transfer-encoding":
                    self.chunked = value.strip().lower() == b"chunked"
                elif name == b"content-type":
                    self.content_type = value.strip()
                elif name == b"connection":
                    self.keep_alive = value.strip().lower() != b"close"
                elif name == b"openai-processing-ms":
                    self.processing_ms = value.strip()
        except (ValueError, IndexError) as error:
            raise FramingError("not an answer's head") from error
