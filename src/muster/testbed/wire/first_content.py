"""Detects when a stream of server-sent events first carries content, without parsing it fully."""

from __future__ import annotations

from muster.sse import carries_delta


class FirstContent:
    """Finds the first `data:` event with content: not a comment, not an empty role event."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = b""

    def feed(self, data: bytes) -> bool:
        """Whether content has arrived by the end of `data`. Do not call it again after True."""
        if self._line:
            data = self._line + data
        if carries_delta(data):
            return True
        # An event may be split anywhere: its line is kept until it is complete.
        self._line = data[data.rfind(b"\n") + 1 :]
        return False
