"""The load in the watchdog's hands: it goes on while traffic comes back, then it is ended.

The watchdog holds a copy of each shard's standard input, which keeps the shard alive. The load
therefore outlives a killed drill, and ends when both are gone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.watchdog.peer import Peer

GRACE_S = 3.0
LOOK_S = 0.2


class HeldLoad:
    """The shards of a load, by pid, and the writing ends of their standard inputs."""

    def __init__(
        self, pids: Sequence[int], fds: Sequence[int], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self._fds = list(fds)
        self._peers: list[Peer] = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self._peers.append(Peer(pid))

    def alive(self) -> bool:
        """Whether every shard still runs."""
        return bool(self._peers) and all(peer.alive() for peer in self._peers)

    def release(self) -> None:
        """Release it: the drill's own process ends it."""
        for fd in self._fds:
            os.close(fd)
        for peer in self._peers:
            peer.close()
        self._fds, self._peers = [], []

    def end_gently(self, open_streams: Callable[[], float | None], seconds_max: float) -> None:
        """Start no new streams; `end` once the open ones have ended, or after `seconds_max`.

        To the platform, cutting every stream at once would be one more fault.
        """
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.write(fd, b'{"stop_arrivals": true}\n')
        end_s = self._clock.monotonic_s() + seconds_max
        while self.alive() and open_streams() != 0 and self._clock.monotonic_s() < end_s:
            self._clock.sleep(LOOK_S)
        self.end()

    def end(self) -> None:
        """End every shard; one that stays is killed."""
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.write(fd, b'{"end": true}\n')
            os.close(fd)
        self._fds = []
        for peer in self._peers:
            if not peer.await_end(GRACE_S):
                peer.kill()
        self.release()
