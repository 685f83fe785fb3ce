"""When a stream of server-sent events first carries content, read without taking it apart."""

from __future__ import annotations

import re

_CONTENT = re.compile(rb'^data:[^\n]*?"content":[ ]*"[^"]', re.MULTILINE)


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
