"""One 10 ms beat a process: it publishes how late the loop was, and drives everything timed.

A timer a stream costs more than the stream; what waits is kept in queues that a beat looks at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from muster.testbed.wire.metrics import Histogram, Registry

TICK_S = 0.01
_MARGIN_S = 0.001  # libuv counts whole milliseconds: without it a beat may come before its tick
LAG_EDGES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Ticker:
    """Calls `on_tick(now_s, lag_s)` on every beat; `now_s` is monotonic."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lag = Histogram(LAG_EDGES_S)
        self.on_tick: list[Callable[[float, float], None]] = []
        self._loop = loop
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
        now_s = time.monotonic()
        lag_s = max(0.0, now_s - self._due_s)
        self.lag.observe(lag_s)
        for call in self.on_tick:
            call(now_s, lag_s)
        self._next(now_s)

    def _next(self, now_s: float) -> None:
        # On the grid of whole ticks, and from now: missed beats are not made up for.
        self._due_s = (int(now_s / TICK_S) + 1) * TICK_S + _MARGIN_S
        self._handle = self._loop.call_later(self._due_s - now_s, self._beat)
