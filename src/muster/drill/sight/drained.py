"""A region's drain, looked at for as long as it stands: who else changes it stops the drill.

A region that serves again in the middle of its drain keeps its clients, and the drill would blame
the platform for streams that do not end. Whether somebody took the drain back or the region began
anew by itself, its own word does not tell; the drill did not do it, and is aborted.

A look that tells nothing (no answer, another word) is made up for by the next. A state is judged
from the first look on that shows it: a hook may take a moment to follow.
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
    """Looks at one region's drain every `poll_s`, in a thread of its own, while a state stands."""

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
        """From now on the region must be in `state`: it was asked for, and accepted."""
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
        """Nothing stands any more: the region is about to be stopped, or the drill to end."""
        with self._lock:
            self._asked = None
            self._since += 1
            self._end.set()

    def once(self) -> None:
        """One look; what it shows counts only if nothing else was asked for meanwhile."""
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
            f"{self._drain.region} says {shown}, the drill asked for {asked} and had seen it: "
            "somebody else changed it, or the region began anew by itself"
        )
        return StopReason(CHANGED, "ABORTED", detail, self._clock.now_s())

    def _run(self, end: threading.Event) -> None:
        while not end.is_set() and not self._stop.is_set:
            self.once()
            self._clock.wait(end, self._poll_s)
