"""Notices changes of a namespace's objects by watches, so that whoever waits need not poll.

A watch only tells when to look: what is there is read then. Where the API server tells nothing (no
right to watch, no answer), whoever waits looks again after a while, as without it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.kubernetes.cluster import Cluster, Growing
from muster.platform.kubernetes.fields import Json, mapping, text
from muster.platform.port import PortError

logger = logging.getLogger("chaostoolkit")
LOOK_APART_S, UNSEEN_S = 0.5, 2.0
"""The longest time between two looks, in seconds: without a watch, and with one."""
WATCH_S = 60
"""After so many seconds a watch ends, and begins anew."""
SHORT_S = 1.0
"""A watch that tells nothing and ends within this time is none."""
ENDS_S_MAX = 1.0

Shown = Mapping[str, Json | None]
"""The last state of each object that a watch told of, by path; None: it was deleted."""
KINDS = ("ADDED", "MODIFIED", "DELETED")
Come = Callable[[Shown], bool]


class Changes:
    """What the watches of some collections have told. `untold`: the paths of which none tells."""

    def __init__(self, cluster: Cluster, clock: Clock = SYSTEM_CLOCK) -> None:
        self._cluster = cluster
        self._clock = clock
        self._lock = threading.Lock()
        self._rung = threading.Event()
        self._open: dict[str, Growing] = {}
        self._over = False
        self._shown: dict[str, Json | None] = {}
        self._come: Come = lambda shown: False
        self._news = False
        self.untold: set[str] = set()

    def wait(self, come: Come, until_s: float) -> None:
        """Wait until the watches have told what `come` asks for, or it is time to look anyway.

        `until_s`: the latest end, on the monotonic clock.
        """
        with self._lock:
            self._come = come
            if self._news:
                self._ring()
            apart_s = LOOK_APART_S if self.untold else UNSEEN_S
        rest_s = until_s - self._clock.monotonic_s()
        if rest_s > 0:
            self._clock.wait(self._rung, min(apart_s, rest_s))
        with self._lock:
            self._news = False
            self._rung.clear()

    def shown(self) -> Shown:
        """What was told so far."""
        with self._lock:
            return dict(self._shown)

    def follow(self, path: str) -> None:
        """Take what the watch of the collection at `path` tells, until `end`."""
        try:
            while self._follows(path):
                pass
        except Exception as error:  # whatever a watch tells, whoever waits must go on
            logger.debug("watch of %s: %s", path, error)
            with self._lock:
                self.untold.add(path)
                self._rung.set()

    def end(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._over = True
            for one in self._open.values():
                one.end()

    def _follows(self, path: str) -> bool:
        """Follow one watch to its end; whether another one should follow it."""
        one = self._cluster.watch(path, WATCH_S)
        with self._lock:
            if self._over:
                one.end()
            self._open[path] = one
        began_s, told = self._clock.monotonic_s(), False
        for line in one:
            self._take(path, line)
            told = True
        if not told and self._clock.monotonic_s() - began_s < SHORT_S:
            # Nothing watches behind it, and each try takes the place of a read.
            raise PortError("it ended at once")
        return not self._over

    def _take(self, path: str, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError as error:
            raise PortError(f"Kubernetes watch {path}: {error}") from error
        if not isinstance(event, dict) or event.get("type") not in KINDS:
            raise PortError(f"Kubernetes watch {path}: {str(event)[:200]}")
        found = mapping(event, "object")
        name = f"{path}/{text(found, 'metadata', 'name')}"
        with self._lock:
            self._shown[name] = None if event["type"] == "DELETED" else found
            self._news = True
            self._ring()

    def _ring(self) -> None:
        """Wake whoever waits, if what he waits for has come; the caller holds the lock."""
        try:
            come = self._come(self._shown)
        except PortError:
            come = True  # what was told cannot be read: time to look
        if come:
            self._rung.set()


@contextmanager
def changes(cluster: Cluster, paths: Iterable[str], clock: Clock) -> Iterator[Changes]:
    """The changes of the collections at `paths`, from now on until the block ends."""
    found = Changes(cluster, clock)
    threads = [
        threading.Thread(target=found.follow, args=(path,), name=path, daemon=True)
        for path in set(paths)
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.end()
        for thread in threads:
            thread.join(ENDS_S_MAX)
