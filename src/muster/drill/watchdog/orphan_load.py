"""The load in the watchdog's hands: it goes on while traffic comes back, then it is ended.

The watchdog holds a copy of each shard's standard input, which keeps the shard alive. The load
therefore outlives a killed drill, and ends when both are gone. A load in pods is kept alive by its
orders, which the watchdog renews from the moment at which it takes over.
"""

from __future__ import annotations

import contextlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.load.keeper import Keeper
from muster.drill.load.registry import kept_of
from muster.drill.watchdog.messages import Load
from muster.drill.watchdog.peer import Peer
from muster.platform.kubernetes.cluster import Absent
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.port import PortError
from muster.targets import Target

logger = logging.getLogger("chaostoolkit")
GRACE_S = 3.0
LOOK_S = 0.2
PODS_S_MAX = 15.0


class OrphanLoad(ABC):
    """A load whose drill may be gone."""

    @abstractmethod
    def hold(self) -> None:
        """The drill is gone: keep its load alive from now on. Never waits."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether every part still runs, as far as known."""

    @abstractmethod
    def release(self) -> None:
        """Release it: the drill's own process ends it. Idempotent."""

    @abstractmethod
    def end_gently(self, open_streams: Callable[[], float | None], seconds_max: float) -> None:
        """Start no new streams; `end` once the open ones have ended, or after `seconds_max`.

        To the platform, cutting every stream at once would be one more fault.
        """

    @abstractmethod
    def end(self) -> None:
        """End every part. Idempotent."""


def held_of(
    message: Load, fds: Sequence[int], target: Target, drill_id: str, clock: Clock
) -> OrphanLoad:
    """The load that the drill hands over."""
    uids = message.elsewhere
    kept = None if uids is None else kept_of(target.load, drill_id, uids, clock)
    if kept is not None:
        return HeldParts(*kept, clock)
    return HeldLoad(message.pids, fds, clock)


class HeldLoad(OrphanLoad):
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

    def hold(self) -> None:
        """The inputs are held already."""

    def alive(self) -> bool:
        """Whether every shard still runs."""
        return bool(self._peers) and all(peer.alive() for peer in self._peers)

    def release(self) -> None:
        """Close its inputs here."""
        for fd in self._fds:
            os.close(fd)
        for peer in self._peers:
            peer.close()
        self._fds, self._peers = [], []

    def end_gently(self, open_streams: Callable[[], float | None], seconds_max: float) -> None:
        """By its inputs."""
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.write(fd, b'{"stop_arrivals": true}\n')
        _await_streams(self, open_streams, seconds_max, self._clock)
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


class HeldParts(OrphanLoad):
    """The parts of a load in pods. The Job itself is in the undo log, and deleted from there."""

    def __init__(
        self, job: LoadJob, keeper: Keeper, parts: int, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`keeper` has not begun: the drill keeps its load by itself."""
        self._job = job
        self._parts = parts
        self._clock = clock
        self._keeper = keeper
        self._held = False
        self._released = False

    def hold(self) -> None:
        """Renew the orders."""
        if not self._held and not self._released:
            self._held = True
            self._keeper.start()

    def alive(self) -> bool:
        """Whether all pods run, by a look at most a moment ago; looks once if it never has."""
        if not self._held:
            return False
        if not self._keeper.expects:
            try:
                pods = [pod for pod in self._keeper.look() if pod.lives]
            except PortError as error:
                logger.error("watchdog: the load: %s", error)
                return False
            if len({pod.index for pod in pods}) < self._parts:
                return False
            self._keeper.expect({pod.index: pod.uid for pod in pods})
        return not self._keeper.lost

    def release(self) -> None:
        """Renew nothing any more."""
        self._released = True
        if self._held:
            self._held = False
            self._keeper.close()

    def end_gently(self, open_streams: Callable[[], float | None], seconds_max: float) -> None:
        """By its orders."""
        if not self._held:
            return
        # Whatever the schedule says of this moment: nothing is judged any more.
        self._order(stop_at_s=0.0)
        _await_streams(self, open_streams, seconds_max, self._clock)
        self.end()

    def end(self) -> None:
        """Tell the parts to end, and wait for their pods, in bounded time."""
        if not self._held:
            return
        self._keeper.expect({})
        self._order(end=True)
        until_s = self._clock.monotonic_s() + PODS_S_MAX
        while self._clock.monotonic_s() < until_s and self._some_run():
            self._clock.sleep(LOOK_S * 5)
        self.release()

    def _some_run(self) -> bool:
        try:
            return any(pod.phase in ("Pending", "Running") for pod in self._job.pods())
        except Absent:
            return False
        except PortError:
            return True

    def _order(self, **changes: object) -> None:
        try:
            self._keeper.order(**changes)
        except PortError as error:
            logger.error("watchdog: the load: %s", error)


def _await_streams(
    load: OrphanLoad, open_streams: Callable[[], float | None], seconds_max: float, clock: Clock
) -> None:
    end_s = clock.monotonic_s() + seconds_max
    while load.alive() and open_streams() != 0 and clock.monotonic_s() < end_s:
        clock.sleep(LOOK_S)
