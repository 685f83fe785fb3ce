"""One 10 ms beat for each process: it publishes how late the loop was, and drives everything timed.

1. A timer for each stream costs more than the stream; waiting work is kept in queues that a beat
   checks.
2. A wake-up for every event costs more than the event. The process therefore works in rounds: it is
   awake for a moment after its beat, sleeps while events gather, and handles them together. If
   there is more to do than fits between two beats, it does not sleep at all.
3. If an answer to something that a round asked for is due soon, the process waits for it awake: a
   sleep would cost a whole beat.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from muster.exposition import Histogram, Registry

TICK_S = 0.01
AWAKE_S = 0.002
"""Long enough for the requests of a round to be answered on an idle machine."""
PATIENCE_SHARE = 0.7
"""The fraction of a tick for which a process stays awake after its beat for an answer under way."""
_LOOK_AGAIN_S = 0.001
LAG_EDGES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Ticker:
    """Calls `on_tick(now_s, lag_s)` on every beat; `now_s` is monotonic.

    Beats lie on the grid of whole ticks, shifted by `phase` (of 1) of a tick: what passes through
    several processes then waits less, and they do not all wake at the same instant.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        phase: float = 0.0,
        waits: Callable[[], bool] = bool,
    ) -> None:
        """`waits` says whether an answer to a request is about to arrive."""
        self.lag = Histogram(LAG_EDGES_S)
        self.on_tick: list[Callable[[float, float], None]] = []
        self._loop = loop
        self._waits = waits
        self._phase_s = phase * TICK_S
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def publish(self, registry: Registry, labels: dict[str, str]) -> None:
        registry.family(
            "muster_rig_loop_lag_seconds", "histogram", "How late each 10 ms beat of the loop was."
        ).histogram(labels, self.lag)

    def start(self) -> None:
        self._next(time.monotonic())

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _beat(self) -> None:
        asleep_s = self._due_s - time.monotonic()
        if asleep_s > (1 - PATIENCE_SHARE) * TICK_S and self._waits():
            self._handle = self._loop.call_later(_LOOK_AGAIN_S, self._beat)
            return
        if asleep_s > 0:
            time.sleep(asleep_s)  # the loop's own sleep would end with the first event
        now_s = time.monotonic()
        lag_s = max(0.0, now_s - self._due_s)
        self.lag.observe(lag_s)
        for call in self.on_tick:
            call(now_s, lag_s)
        self._next(now_s)

    def _next(self, now_s: float) -> None:
        # On the grid, and from now: missed beats are not made up for.
        ticks = int((now_s - self._phase_s) / TICK_S) + 1
        self._due_s = ticks * TICK_S + self._phase_s
        self._handle = self._loop.call_later(AWAKE_S, self._beat)
