"""Measures how long the other end has been silent, counting only time in which this end was awake.

A process that stood still itself (stopped, or the machine asleep) must not read its own absence as
the other's silence: two that wake together would each kill the other.
"""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock

LEASE_S = 5.0
"""Longer silence is a hang. With a restore of 1 s this leaves half of the 10 s that the contract
allows from a trip to restored traffic.
"""
TICK_S = 0.2
_AWAKE_S_MAX = 1.0
"""At most this much of one turn of the loop counts as time awake."""


class Lease:
    """Renewed by each beat of the other end; call `tick` once per turn of the own loop."""

    def __init__(self, seconds: float = LEASE_S, clock: Clock = SYSTEM_CLOCK) -> None:
        self.seconds = seconds
        self._clock = clock
        self._turn_s = clock.boot_s()
        self._silent_s = 0.0

    def renew(self) -> None:
        """The other end sent something."""
        self._silent_s = 0.0

    def tick(self) -> float:
        """Count the turn since the last one; return its length in seconds, including sleep."""
        now_s = self._clock.boot_s()
        turn_s, self._turn_s = now_s - self._turn_s, now_s
        self._silent_s += min(turn_s, _AWAKE_S_MAX)
        return turn_s

    @property
    def expired(self) -> bool:
        """Whether the other end was silent for longer than the lease."""
        return self._silent_s > self.seconds


class Rhythm:
    """When to beat: once a tick, however often the loop turns.

    Each end turns at each message of the other. If each turn sent a beat, they would answer each
    other without end.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._due_s = float("-inf")

    def due(self) -> bool:
        """Whether a tick has passed since this was last True."""
        now_s = self._clock.boot_s()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + TICK_S
        return True
