"""The planted defects of admission: connections to Redis that treat it wrongly when it fails."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from muster.testbed.gateway.redis_wire import Link, RedisWire, Waiting, command

PATIENCE_S = 8.0
"""How long a stream waits, in seconds. No tier allows a first token so long. It is
not longer because what waits goes on all at once: a rig that is pinned by that can tell nothing."""


class Patient(RedisWire):
    """It waits for an answer for `PATIENCE_S`, whatever its limit is."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._timeout_s = max(self._timeout_s, PATIENCE_S)


class InTurn(RedisWire):
    """It asks again only after the answer before, and for a stream in the line for no longer than
    `PATIENCE_S`.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._line: deque[tuple[bytes, Waiting, float]] = deque()
        self._asked = False

    def send(self, command: bytes, waiting: Waiting) -> None:
        self._line.append((command, waiting, time.monotonic()))
        self.ask_next()

    def check(self, now_s: float, lag_s: float) -> None:
        super().check(now_s, lag_s)
        while self._line and now_s - self._line[0][2] > PATIENCE_S:
            self._line.popleft()[1].unanswered()

    def ask_next(self) -> None:
        """Ask for the first in the line, if no answer is under way."""
        if self._line and self.up and not self._asked:
            self._asked = True
            command, waiting, _ = self._line.popleft()
            super().send(command, _Turn(self, waiting))

    def answered(self) -> None:
        """The answer has come."""
        self._asked = False

    def disconnected(self, link: Link) -> None:
        super().disconnected(link)
        line, self._line = self._line, deque()
        for _, waiting, _ in line:
            waiting.unanswered()


class _Turn:
    """Who waits, and whose turn comes after it."""

    def __init__(self, wire: InTurn, waiting: Waiting) -> None:
        self._wire = wire
        self._waiting = waiting

    def replied(self, number: int) -> None:
        self._wire.answered()
        self._waiting.replied(number)
        self._wire.ask_next()

    def unanswered(self) -> None:
        self._wire.answered()
        self._waiting.unanswered()

    def forgotten(self) -> None:
        self._wire.answered()
        self._waiting.forgotten()


class Refusing(RedisWire):
    """It takes an error of Redis for a refusal."""

    def failed(self, line: bytes) -> None:
        self.refuses = True

    def connected(self, link: Link) -> None:
        self.refuses = False
        super().connected(link)


class LoadsOnce(RedisWire):
    """It loads its scripts with its first connection, and refuses what needs them afterwards."""

    def connected(self, link: Link) -> None:
        super().connected(link)
        self._preamble = command("ECHO", "again")

    def failed(self, line: bytes) -> None:
        self.refuses = self.refuses or line.startswith(b"-NOSCRIPT")


class GivesUp(RedisWire):
    """It does not connect again."""

    def disconnected(self, link: Link) -> None:
        lost = self._link is link
        super().disconnected(link)
        if lost and self._task is not None:
            self._task.cancel()


WIRES: dict[str, type[RedisWire]] = {
    "waits_for_redis": Patient,
    "asks_redis_in_turn": InTurn,
    "refuses_redis_errors": Refusing,
    "loads_scripts_once": LoadsOnce,
    "never_reconnects": GivesUp,
}
"""The kind of connection by the name of its defect."""
