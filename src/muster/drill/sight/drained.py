"""Watches a region's drain while it lasts: if somebody else changes it, the drill stops.

A region that serves again in the middle of its drain keeps its clients, and the drill would blame
the platform for streams that do not end. The region's state does not tell whether somebody reverted
the drain or the region restarted; the drill did not do it, so it is aborted.

A look without a result (no answer, an unknown state) is made up for by the next one. A state is
judged from the first look that shows it, because a hook may take a moment to follow.
"""

from __future__ import annotations

import logging
import threading
from typing import get_args

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.stop import StopFlag, StopReason
from muster.errors import MusterError
from muster.platform.drain import Drain, DrainState

logger = logging.getLogger("chaostoolkit")
CHANGED = "drain:changed_by_another"
"""The stop reason of a drill whose drain somebody else changed."""
STATES = frozenset(get_args(DrainState))


class DrainLook:
    """Looks at one region's drain every `poll_s`, in a thread of its own, while a state is
    expected.
    """

    def __init__(
        self, drain: Drain, stop: StopFlag, *, poll_s: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._drain = drain
        self._stop = stop
        self._poll_s = poll_s
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: DrainState | None = None
        self._since = 0
        self._shown = False
        self._end = threading.Event()

    def stands(self, state: DrainState) -> None:
        """From now on the region must be in `state`: it was requested, and accepted."""
        if not self._drain.asks:
            return
        with self._lock:
            begins = self._asked is None
            self._asked, self._shown = state, False
            self._since += 1
            if begins:
                self._end = threading.Event()
        if begins:
            run = threading.Thread(
                target=self._run, args=(self._end,), name="muster-drain", daemon=True
            )
            run.start()

    def rest(self) -> None:
        """Expect no state: the region is about to be stopped, or the drill to end."""
        with self._lock:
            self._asked = None
            self._since += 1
            self._end.set()

    def once(self) -> None:
        """One look; it counts only if nothing else was requested meanwhile."""
        with self._lock:
            asked, since = self._asked, self._since
        if asked is None:
            return
        try:
            shown = self._drain.shown()
        except MusterError as error:
            logger.debug("drain: %s", error)
            return
        with self._lock:
            if since != self._since or shown not in STATES:
                return
            if shown == asked:
                self._shown = True
            elif self._shown:
                self._stop.set(self._changed(asked, shown))

    def _changed(self, asked: DrainState, shown: str) -> StopReason:
        detail = (
            f"{self._drain.region} reports {shown}, but the drill had asked for and seen {asked}: "
            "somebody else changed it, or the region restarted by itself"
        )
        return StopReason(CHANGED, "ABORTED", detail, self._clock.now_s())

    def _run(self, end: threading.Event) -> None:
        while not end.is_set() and not self._stop.is_set:
            self.once()
            self._clock.wait(end, self._poll_s)
