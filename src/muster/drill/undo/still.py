"""Which changes a process may still restore that may have lost its target's lock.

A machine that slept, or did not reach the store, goes on when it wakes: by then who stands by may
have restored everything, and a new drill may have changed the same things. The store tells. What it
does not hold any more was restored, and is left alone while somebody else holds the target. Where
nobody does, or the store does not answer, it is restored: a region must not stay dark.
"""

from __future__ import annotations

import logging
from collections.abc import Container

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.held import TargetLock
from muster.drill.undo.store import stored_undo
from muster.errors import MusterError
from muster.targets import Target

logger = logging.getLogger("chaostoolkit")

SILENT_S = 20.0
"""For so long a store that did not answer is not asked again, in seconds."""


class StillOurs(Container[str]):
    """The ids of a drill's entries that may be reverted now: it is asked before each one.

    `first`: no others may be (None: all).
    """

    def __init__(
        self,
        lock: TargetLock,
        target: Target,
        drill_id: str,
        first: Container[str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._lock = lock
        self._target = target
        self._drill_id = drill_id
        self._first = first
        self._clock = clock
        self._silent_until_s = float("-inf")

    def __contains__(self, entry_id: object) -> bool:
        if self._first is not None and entry_id not in self._first:
            return False
        # A lock that is only late was taken by nobody yet: what is dark must not wait.
        if not self._lock.outlived or self._clock.monotonic_s() < self._silent_until_s:
            return True
        try:
            held = stored_undo(self._target)
            holder = self._lock.another()
        except MusterError as error:
            logger.error("restore: whether another machine has restored is unknown: %s", error)
            self._silent_until_s = self._clock.monotonic_s() + SILENT_S
            return True
        known = {entry.entry_id for entry in (held or {}).get(self._drill_id, ())}
        if held is None or entry_id in known or not holder:
            return True
        logger.error("restore: %s was restored by another machine; now %s", entry_id, holder)
        return False
