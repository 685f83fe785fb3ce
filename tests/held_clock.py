"""A clock that stands still until somebody waits on it: a test of hours takes no time."""

from __future__ import annotations

from collections.abc import Callable

from muster.clock import Waitable


class HeldClock:
    """Wall, monotonic and boot time move together, by what is waited and by `advance`.

    `on_wait` is called at each wait, after the time has moved, with the time: what happens
    meanwhile in another thread or process happens there. Not for two threads at once.
    """

    def __init__(
        self,
        now_s: float = 1_000_000.0,
        on_wait: Callable[[float], None] | None = None,
        boot_s: float = 9_000.0,
    ) -> None:
        self.began_s = now_s
        self.booted_s = boot_s
        self._passed_s = 0.0
        self.waits_s: list[float] = []
        self.on_wait = on_wait

    @property
    def passed_s(self) -> float:
        """Seconds since it was made."""
        return self._passed_s

    def now_s(self) -> float:
        return self.began_s + self._passed_s

    def monotonic_s(self) -> float:
        return 5_000.0 + self._passed_s

    def boot_s(self) -> float:
        return self.booted_s + self._passed_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_s += seconds

    def sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self._passed_s += max(0.0, seconds)
        if self.on_wait is not None:
            self.on_wait(self._passed_s)

    def wait(self, event: Waitable, seconds: float) -> bool:
        if not event.is_set():
            self.sleep(seconds)
        return event.is_set()
