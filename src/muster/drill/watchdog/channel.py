"""Messages between the drill's process and its watchdog: JSON lines over a socket pair.

Sending never blocks: a stopped reader must not stop the writer. Descriptors may ride along.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_BACKLOG_BYTES_MAX = 1 << 20
_FDS_MAX = 64


@dataclass(frozen=True)
class Heard:
    """What came in: whole messages, descriptors that rode along, and whether the end is closed."""

    messages: tuple[dict[str, Any], ...]
    fds: tuple[int, ...]
    closed: bool


class Channel:
    """One end. Threads may share it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._lock = threading.Lock()
        self._out = b""
        self._in = b""

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> bool:
        """Send `message`; False when the other end is gone or has not read for too long."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            if not self._flush() or len(self._out) > _BACKLOG_BYTES_MAX:
                return False
            # Behind a backlog descriptors can't ride: the message goes without them.
            if fds and not self._out:
                try:
                    sent = socket.send_fds(self._socket, [line], list(fds))
                except OSError:
                    return False
                self._out = line[sent:]
                return True
            self._out += line
            return self._flush()

    def receive(self) -> Heard:
        """Everything that has come in; never waits."""
        messages: list[dict[str, Any]] = []
        found: list[int] = []
        closed = False
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, 65536, _FDS_MAX)
            except BlockingIOError:
                break
            except OSError:
                closed = True
                break
            found.extend(fds)
            if not data:
                closed = True
                break
            self._in += data
        *lines, self._in = self._in.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if isinstance(message, dict):
                messages.append(message)
        return Heard(tuple(messages), tuple(found), closed)

    def close(self) -> None:
        """Close this end; the other one sees it."""
        self._socket.close()

    def _flush(self) -> bool:
        """Send what is left over. False when the other end is gone."""
        try:
            while self._out:
                self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
