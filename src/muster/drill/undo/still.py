"""Which changes a process may still restore that may have lost its target's lock.

A machine that slept, or did not reach the store, goes on when it wakes: by then who stands by may
have restored everything, and a new drill may have changed the same things. The lock tells. While
somebody else holds it, nothing is restored here: he restores, or changes things of his own. Where
nobody does, it is restored: a region must not stay dark. Where the store does not answer, who holds
the target is unknown, and it is restored too.
"""

from __future__ import annotations

import logging
from collections.abc import Container

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.held import TargetLock
from muster.errors import MusterError

logger = logging.getLogger("chaostoolkit")

SILENT_S = 20.0
"""For so long a store that did not answer is not asked again, in seconds."""


class StillOurs(Container[str]):
    """The ids of entries that may be reverted now: it is asked before each change of each one.

    It asks the clock alone while nobody else can hold the lock. `first`: no others may be (None:
    all). `left`: those that were left to another holder when they were asked for last. He need not
    be one who restores: the next drill holds the lock until its preflight has found the entries.
    """

    def __init__(
        self, lock: TargetLock, first: Container[str] | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._lock = lock
        self._first = first
        self._clock = clock
        self._silent_until_s = float("-inf")
        self.left: set[object] = set()

    def __contains__(self, entry_id: object) -> bool:
        known = entry_id in self.left
        self.left.discard(entry_id)
        if self._first is not None and entry_id not in self._first:
            return False
        # A lock that is only late was taken by nobody yet: what is dark must not wait.
        if not self._lock.outlived or self._clock.boot_s() < self._silent_until_s:
            return True
        try:
            holder = self._lock.another()
        except MusterError as error:
            logger.error("restore: whether another machine restores is unknown: %s", error)
            self._silent_until_s = self._clock.boot_s() + SILENT_S
            return True
        if holder:
            self.left.add(entry_id)
            level = logging.DEBUG if known else logging.ERROR
            said = "restore: %s is left to who holds the target now: %s"
            logger.log(level, said, entry_id, holder)
        return not holder
