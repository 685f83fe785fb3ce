"""The port that stops and starts one region.

An adapter knows one region's power and nothing of drills, undo logs or samples. It is made without
asking anything: only a call of its methods reaches the platform, and each call is bounded by
`timeout_s`. Every method but those that say otherwise raises PortError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.looks import Look
from muster.platform.port import Change, Other, Proof, Touch, Unusable

Before = Mapping[str, Any]
"""What `before` returned, as JSON keeps it: enough for `start` on another machine."""


@dataclass(frozen=True)
class PowerState:
    """`whole`: every process is there. `comes`: what is missing may still come by itself.

    `autoscaled`: an autoscaler decides how many there are, so the region's room may differ.
    """

    expected: str
    shown: str
    whole: bool
    comes: bool = False
    autoscaled: bool = False


class Power(ABC):
    """How one region is stopped, killed and started."""

    stops: ClassVar[bool] = True
    """Whether a stop takes anything away; not so by `none`, where weight 0 stands for dark."""
    own_samples: ClassVar[bool] = False
    """Whether a stopped region's own series end at once, so that a fresh sample disproves dark."""

    def __init__(self, region: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.region = region
        self.clock = clock

    @property
    @abstractmethod
    def timeout_s(self) -> float:
        """How long one stop or start may take, in seconds."""

    @property
    def look_s_max(self) -> float:
        """How long `state` and `dark` may take besides a look at ready_url, in seconds.

        0: no longer than any look may take.
        """
        return 0.0

    @property
    def ready_s_max(self) -> float:
        """How long a started region may take until its ready_url says so, in seconds."""
        return self.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        """What it changes besides the region itself; asks no system anything, raises nothing."""
        return ()

    def unusable(self) -> Unusable | None:
        """What of its settings cannot work on this machine; asks no other system, raises nothing.

        None: nothing, as far as this machine tells.
        """
        return None

    def others(self) -> tuple[Other, ...]:
        """Who else starts and stops processes of the region, as far as it shows. Raises PortError.

        Empty: nobody shows there.
        """
        return ()

    @abstractmethod
    def change(self, *, kill: bool = False) -> Change:
        """From what to what `stop` (or `kill`) would go, read from the platform."""

    @abstractmethod
    def before(self) -> dict[str, Any]:
        """What `start` needs, read before a stop. Raises PortError when the region is not on."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it in good order, and return once the platform says that it has stopped."""

    @abstractmethod
    def kill(self) -> None:
        """Kill it with everything it holds, at once."""

    def why_not_kill(self) -> str:
        """Why it cannot be killed; empty: it can. Asks no system anything, raises nothing."""
        return ""

    @abstractmethod
    def start(self, before: Before) -> None:
        """Start it as it was. Calling it again changes nothing."""

    @abstractmethod
    def state(self, before: Before) -> PowerState | None:
        """What is there now against what was there before; None: it says nothing of that."""

    @abstractmethod
    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        """Whether the region is dark now.

        `look` looks at its ready_url now, and raises PortError where the look was blind;
        `answered`: the status that it gave before the stop (None: it gave none); `others`: whether
        another region answers now. Raises PortError when what it sees shows nothing either way.
        """

    @abstractmethod
    def command(self, before: Before) -> str | None:
        """The whole shell line by which a person starts it, without any secret; None: none does."""
