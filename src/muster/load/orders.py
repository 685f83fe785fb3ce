"""What the parts of one load are told, wherever they run, and what they are told it by.

The orders are a state, not a stream of messages: whoever reads them late or twice knows the same.
`beat` changes for as long as somebody drives the load. All times are the drill's; seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from muster.documents import Document
from muster.load.shard import Control

CONFIG, ORDERS, DRILL = "config", "orders", "drill"
"""The keys of the object that holds them, and the id of the drill whose object it is."""
DRILL_VARIABLE = "MUSTER_LOAD_DRILL"
NAME_VARIABLE = "MUSTER_LOAD_ORDERS"
NAMESPACE_VARIABLE = "MUSTER_LOAD_NAMESPACE"
ACCESS_VARIABLE = "MUSTER_LOAD_ACCESS"
ADDRESS_VARIABLE = "MUSTER_LOAD_ADDRESS"
READY_VARIABLE = "MUSTER_LOAD_READY"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
CLOCK_S_MAX = 1.0
"""By so much the clock of a part may be ahead of that of the drill, or behind it."""


class Orders(Document):
    """The state of a load in parts.

    `drill`: who gives them, by its id; another drill's are no orders. `sent_at`,
    `start_at`: seconds since the epoch; `stop_at_s`: in seconds of the schedule.
    """

    drill: str
    beat: int
    sent_at: float
    start_at: float | None = None
    stop_at_s: float | None = None
    end: bool = False


class PartConfig(Document):
    """What a part is told besides the configuration of its shard."""

    shard: Mapping[str, object]
    parts: int
    metrics_ports: tuple[int, ...]
    files_needed: int
    lifeline_s: float


@dataclass
class Obedience:
    """Carries the orders out, and ends the part if nobody gives any.

    A part that hears of the beginning after its moment must not begin: its arrivals would be
    offered at another time than those of the others, or a second time.
    """

    control: Control
    drill: str
    lifeline_s: float
    now_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    beat: int = -1
    begun: bool = False
    heard_s: float = 0.0

    def __post_init__(self) -> None:
        self.heard_s = self.monotonic_s()

    def is_new(self, orders: Orders) -> bool:
        """Whether they are its own drill's, and not those that it heard last."""
        return orders.drill == self.drill and orders.beat != self.beat

    def take(self, orders: Orders) -> None:
        """The orders as they are now."""
        if orders.drill != self.drill:
            # A drill or a watchdog that slept, and does not know yet that its load was ended.
            return
        if orders.beat != self.beat:
            self.beat, self.heard_s = orders.beat, self.monotonic_s()
        if orders.end:
            self.control.end()
            return
        if orders.start_at is not None and not self.begun:
            self.begun = True
            self._begin(orders.start_at, orders.sent_at)
        if orders.stop_at_s is not None:
            self.control.stop_arrivals_at(orders.stop_at_s)

    def look(self, trouble: str = "") -> None:
        """End the part if the drill has been silent for too long; `trouble`: why, as far as known.

        To be called about once a second.
        """
        silent_s = self.monotonic_s() - self.heard_s
        if silent_s > self.lifeline_s:
            why = f": {trouble}" if trouble else ""
            self.control.fail(f"no word of its drill for {silent_s:.0f} s{why}")

    def _begin(self, start_at: float, sent_at: float) -> None:
        now_s = self.now_s()
        if now_s > start_at:
            self.control.fail(
                f"the order to begin came {now_s - start_at:.1f} s after its moment: the clock of "
                "this node is ahead, or the API server was late, or this part came later than the "
                "others"
            )
        elif now_s < sent_at - CLOCK_S_MAX:
            self.control.fail(
                f"the clock of this node is {sent_at - now_s:.1f} s behind that of the drill: "
                "synchronise both"
            )
        else:
            self.control.begin(start_at)
