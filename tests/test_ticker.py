"""When a process of the data plane sleeps between its beats, on a clock made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from muster.testbed.wire import ticker as module
from muster.testbed.wire.ticker import AWAKE_S, PATIENCE_SHARE, TICK_S, Ticker


class Clock:
    """A loop and a clock in one: time passes only by sleeping and by waiting for what is due."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []
        self.due: tuple[float, Callable[[], None]] | None = None

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.due = (self.now_s + delay_s, call)

    def run(self) -> None:
        assert self.due is not None
        self.now_s, call = self.due
        call()


@pytest.mark.parametrize(
    ("answered_s", "awake_s"),
    [(0.0, AWAKE_S), (0.0035, 0.004), (1.0, PATIENCE_SHARE * TICK_S)],
)
def test_a_round_sleeps_once_its_answer_came_or_its_patience_ended(
    monkeypatch: pytest.MonkeyPatch, answered_s: float, awake_s: float
) -> None:
    """Nothing under way: at once. An answer: after it. One that never comes: the beat is kept."""
    clock: Any = Clock()
    monkeypatch.setattr(module, "time", clock)
    began_s = clock.now_s
    ticker = Ticker(clock, waits=lambda: clock.now_s - began_s < answered_s)
    beats: list[float] = []
    ticker.on_tick.append(lambda now_s, lag_s: beats.append(now_s))
    ticker.start()
    while not beats:
        clock.run()
    assert clock.slept_s == [pytest.approx(TICK_S - awake_s, abs=0.0011)]
    assert beats[0] == pytest.approx(began_s + TICK_S, abs=1e-6)
