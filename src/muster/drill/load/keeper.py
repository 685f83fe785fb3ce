"""Keeps the parts of a load alive, and looks whether they live: one thread, few calls.

The orders are renewed several times within the parts' lifeline. The pods are listed every two
seconds. An API server that does not answer is borne for as long as the parts bear it; then nobody
knows whether they live, and they count as lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.load.orders import ORDERS, Orders
from muster.platform.kubernetes.cluster import Absent, Unanswered
from muster.platform.kubernetes.load_job import LoadJob, PartPod
from muster.platform.port import PortError

logger = logging.getLogger("chaostoolkit")
LOOK_S = 2.0
BEAT_S_MAX = 5.0
BEATS_IN_LIFELINE = 6
_TURN_S = 0.25


class Keeper:
    """One running Job's parts. `start`, then `expect` them; `close` ends the thread."""

    def __init__(
        self,
        job: LoadJob,
        drill_id: str,
        lifeline_s: float,
        last_words: Callable[[int], str] = lambda part: "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`drill_id`: of the drill whose load it is; `last_words`: what a part has written last, by
        its index.
        """
        self._job = job
        self._drill_id = drill_id
        self._lifeline_s = lifeline_s
        self._beat_s = min(BEAT_S_MAX, lifeline_s / BEATS_IN_LIFELINE)
        self._last_words = last_words
        self._clock = clock
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {}
        self._expected: dict[int, str] = {}
        self._told_s = float("-inf")
        self._looked_s = self._known_s = clock.monotonic_s()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._beats = 0
        self.lost = ""

    def start(self) -> None:
        """Begin to renew the orders."""
        self._known_s = self._clock.monotonic_s()
        self._thread = threading.Thread(target=self._run, name="muster-load", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Renew nothing any more: the parts end by themselves if nobody else renews."""
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def first(self) -> Orders:
        """The orders with which the object is created."""
        return self._orders()

    def expect(self, pods: Mapping[int, str]) -> None:
        """These pods, uids by index, live from now on until they are told to end."""
        self._expected = dict(pods)

    @property
    def expects(self) -> bool:
        """Whether any pod must live."""
        return bool(self._expected)

    def order(self, **changes: Any) -> None:
        """Change the orders, and send them. Raises PortError; then they are sent again."""
        with self._lock:
            self._state |= changes
        self._tell()

    def look(self) -> list[PartPod]:
        """Look at the pods now. Raises PortError."""
        pods = self._job.pods()
        self._looked_s = self._known_s = self._clock.monotonic_s()
        if self._expected and not self.lost:
            self.lost = self._missing(pods)
        return pods

    def _run(self) -> None:
        while not self._clock.wait(self._over, _TURN_S):
            now_s = self._clock.monotonic_s()
            try:
                if now_s - self._told_s >= self._beat_s:
                    self._tell()
                if self._expected and now_s - self._looked_s >= LOOK_S:
                    self.look()
            except Absent as error:
                self._lose(f"the load was deleted: {error}")
            except Unanswered as error:
                self._unknown(error)
            except PortError as error:
                # Refused for good, or no answer that can be read: nobody keeps the parts alive.
                self._unknown(error)

    def _unknown(self, error: PortError) -> None:
        silent_s = self._clock.monotonic_s() - self._known_s
        logger.debug("load: %s", error)
        if self._expected and silent_s > self._lifeline_s:
            self._lose(f"whether its parts live is unknown for {silent_s:.0f} s: {error}")

    def _lose(self, why: str) -> None:
        if self._expected and not self.lost:
            self.lost = why

    def _tell(self) -> None:
        # Before the call: one that does not answer is not repeated at every turn.
        self._told_s = self._clock.monotonic_s()
        self._job.tell({ORDERS: self._orders().model_dump_json()})

    def _orders(self) -> Orders:
        with self._lock:
            now_s = self._clock.now_s()
            self._beats += 1
            # By the clock: whoever takes over from another process must not repeat its beat.
            beat = int(1000 * now_s) + self._beats
            return Orders.model_validate(
                {**self._state, "drill": self._drill_id, "beat": beat, "sent_at": now_s}
            )

    def _missing(self, pods: list[PartPod]) -> str:
        found = {pod.uid: pod for pod in pods}
        for index, uid in sorted(self._expected.items()):
            pod = found.get(uid)
            if pod is not None and pod.lives:
                continue
            of = f"part {index + 1} of {len(self._expected)}"
            words = self._last_words(index)
            said = f"; it said: {words}" if words else ""
            if pod is None:
                return f"{of}: its pod is gone{said}"
            return f"{of}: pod {pod.name} on {pod.node or 'no node'}: {pod.state}{said}"
        return ""
