"""The circuit breaker of one provider route. The caller supplies the time.

Closed: the last `window` outcomes are kept; enough failures among them open it.
Open: nothing passes for `open_s`. Then half-open: one probe at a time; `successes` in a row close
it, one failure opens it again.
"""

from __future__ import annotations

from collections import deque

from muster.testbed.gateway.config import CircuitConfig

PROBE_S_MAX = 5.0


class Circuit:
    """Call `allow` before a request, then `succeeded` or `failed` once its outcome is known."""

    __slots__ = ("_config", "_failures", "_opened_s", "_outcomes", "_probe_s", "_successes", "open")

    def __init__(self, config: CircuitConfig) -> None:
        self._config = config
        self._outcomes: deque[bool] = deque()
        self._failures = 0
        self._opened_s = 0.0
        self._probe_s: float | None = None
        self._successes = 0
        self.open = False

    def allow(self, now_s: float) -> bool:
        """Whether a request may use this route now. If the circuit is open, True makes it the
        probe.
        """
        if not self.open:
            return True
        if now_s - self._opened_s < self._config.open_s:
            return False
        # A probe whose client left has no outcome: another one may follow after a while.
        if self._probe_s is not None and now_s - self._probe_s < PROBE_S_MAX:
            return False
        self._probe_s = now_s
        return True

    def succeeded(self, now_s: float) -> None:
        if not self.open:
            self._keep(False)
        elif self._half_open(now_s):
            self._probe_s = None
            self._successes += 1
            if self._successes >= self._config.successes:
                self._close()

    def failed(self, now_s: float) -> None:
        if self.open:
            # Requests that were under way when it opened must not keep it open for longer.
            if self._half_open(now_s):
                self._trip(now_s)
            return
        self._keep(True)
        config = self._config
        if self._failures >= config.failures_min and self._failures >= config.failure_share * len(
            self._outcomes
        ):
            self._trip(now_s)

    def _half_open(self, now_s: float) -> bool:
        return now_s - self._opened_s >= self._config.open_s and self._probe_s is not None

    def _keep(self, failure: bool) -> None:
        self._outcomes.append(failure)
        self._failures += failure
        if len(self._outcomes) > self._config.window:
            self._failures -= self._outcomes.popleft()

    def _trip(self, now_s: float) -> None:
        self.open = True
        self._opened_s = now_s
        self._probe_s = None
        self._successes = 0

    def _close(self) -> None:
        self.open = False
        self._outcomes.clear()
        self._failures = 0
        self._probe_s = None
