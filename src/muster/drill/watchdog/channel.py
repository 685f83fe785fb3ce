"""Messages between the drill's process and its watchdog: JSON lines over a socket pair.

Sending never blocks: a stopped reader must not stop the writer. A message may carry descriptors. A
line that is no valid message for this end is refused and logged.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from muster.drill.watchdog.messages import Message

logger = logging.getLogger("chaostoolkit")
_BACKLOG_BYTES_MAX = 1 << 20
_FDS_MAX = 64


@dataclass(frozen=True)
class Heard:
    """What arrived: whole messages, their descriptors, and whether the other end is closed."""

    messages: tuple[Message, ...]
    fds: tuple[int, ...] = ()
    closed: bool = False


class Wire(Protocol):
    """One end of a connection: what the two ends need of it."""

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Send `message`; False when the other end is gone or has not read for too long."""

    def receive(self) -> Heard:
        """Return everything that has arrived; never waits."""


class Channel:
    """One end, over a socket. Threads may share it."""

    def __init__(self, sock: socket.socket, hears: TypeAdapter[Message]) -> None:
        """`hears`: the messages of the other end."""
        sock.setblocking(False)
        self._socket = sock
        self._hears = hears
        self._lock = threading.Lock()
        self._out = b""
        self._in = b""

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Send `message`; False when the other end is gone or has not read for too long."""
        line = message.model_dump_json().encode() + b"\n"
        with self._lock:
            if not self._flush() or len(self._out) > _BACKLOG_BYTES_MAX:
                return False
            # Behind a backlog descriptors cannot be sent: the message goes without them.
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
        """Return everything that has arrived; never waits."""
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
        messages = tuple(message for line in lines if (message := self._parse(line)) is not None)
        return Heard(messages, tuple(found), closed)

    def close(self) -> None:
        """Close this end; the other one sees it."""
        self._socket.close()

    def _parse(self, line: bytes) -> Message | None:
        try:
            return self._hears.validate_json(line)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            logger.error(
                "watchdog: refused a message of %d bytes: %s: %s",
                len(line),
                ".".join(str(part) for part in wrong["loc"]) or "message",
                wrong["msg"],
            )
            return None

    def _flush(self) -> bool:
        """Send the rest. Returns False if the other end is gone."""
        try:
            while self._out:
                self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
