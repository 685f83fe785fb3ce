"""Another process, held so that its pid can never mean a third process.

On Linux by a pidfd (pidfd_open(2)); elsewhere only by pid and start time, which is the best
available.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from muster.clock import SYSTEM_CLOCK, Clock

CONFIRM_S_MAX = 30.0


class Peer:
    """A live process. `close` releases it."""

    def __init__(
        self, pid: int, start_ticks: int | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Hold `pid`. Raises ProcessLookupError if it, or the process started then, is gone."""
        self.pid = pid
        self._clock = clock
        self._fd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        if start_ticks is not None and start_ticks_of(pid) not in (start_ticks, None):
            self.close()
            raise ProcessLookupError(f"pid {pid} is another process by now")

    def alive(self) -> bool:
        """Whether it is alive. A zombie counts as ended."""
        if self._fd >= 0:
            return not select.select([self._fd], [], [], 0)[0]
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def await_end(self, seconds_max: float) -> bool:
        """Whether it ended within `seconds_max`."""
        if self._fd >= 0:
            return bool(select.select([self._fd], [], [], max(0.0, seconds_max))[0])
        end = self._clock.monotonic_s() + seconds_max
        while self.alive():
            if self._clock.monotonic_s() > end:
                return False
            self._clock.sleep(0.02)
        return True

    def kill(self, seconds_max: float = CONFIRM_S_MAX) -> bool:
        """SIGKILL it; return whether it was verified gone within `seconds_max`."""
        with contextlib.suppress(ProcessLookupError):
            if self._fd >= 0:
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)
        return self.await_end(seconds_max)

    def close(self) -> None:
        """Release it; calling it again changes nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def start_ticks_of(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot (proc(5), field 22); None if unknown."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
