"""When a stream of server-sent events first carries content, read without taking it apart."""

from __future__ import annotations

from muster.sse import carries_delta


class FirstContent:
    """Finds the first `data:` event that carries content: no comment, no empty role event."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = b""

    def feed(self, data: bytes) -> bool:
        """Whether content has come with `data` at the latest. Ask no more after True."""
        if self._line:
            data = self._line + data
        if carries_delta(data):
            return True
        # An event may be split anywhere: its line is kept until it is whole.
        self._line = data[data.rfind(b"\n") + 1 :]
        return False
