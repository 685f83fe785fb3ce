"""The port that stops and starts one region.

An adapter knows one region's power, and knows nothing of drills, undo logs or samples. Creating it
sends no request. Each call of a method that reaches the platform is limited by `timeout_s`. Every
method raises PortError unless its docstring says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from muster.platform.looks import Look
from muster.platform.port import Change, Other, Proof, RegionAdapter

DARK_S_MAX = 10.0
Before = Mapping[str, Any]
"""What `before` returned, as JSON: enough for `start` on another machine."""


@dataclass(frozen=True)
class PowerState:
    """`whole`: every process exists. `comes`: what is missing may still appear by itself.

    `autoscaled`: an autoscaler decides the number, so the region's capacity may differ.
    """

    expected: str
    shown: str
    whole: bool
    comes: bool = False
    autoscaled: bool = False


class Power(RegionAdapter):
    """How one region is stopped, killed and started."""

    stops: ClassVar[bool] = True
    """Whether a stop stops any process. Not so for `none`, which takes weight 0 as dark."""
    own_samples: ClassVar[bool] = False
    """Whether a stopped region's own series end at once, so that a fresh sample disproves dark."""

    @property
    def dark_s_max(self) -> float:
        """How long it may take after a stop until the region is observed dark, in seconds."""
        return DARK_S_MAX

    @property
    def ready_s_max(self) -> float:
        """How long a started region may take until its ready_url answers 2xx, in seconds."""
        return self.timeout_s

    @property
    def workloads(self) -> tuple[str, ...]:
        """The names of what a stop takes away, where they are known; asks no system anything."""
        return ()

    def others(self) -> tuple[Other, ...]:
        """Who else starts and stops processes of the region, as far as it shows. Raises PortError.

        Empty: nobody shows there.
        """
        return ()

    def rehearse(self, *, kill: bool = False) -> tuple[str, ...]:
        """What the platform would refuse of a stop (or kill) and of a start, a line each.

        Asks without changing anything. Empty: nothing is known to be refused. Raises PortError.
        """
        return ()

    @abstractmethod
    def change(self, *, kill: bool = False) -> Change:
        """The state before and after `stop` (or `kill`), read from the platform."""

    @abstractmethod
    def before(self, *, drained: bool = False) -> dict[str, Any]:
        """What `start` needs, read before a stop. Raises PortError if the region is not on.

        `drained`: its traffic was moved away, so it runs and may say that it is not ready.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop it gracefully, and return once the platform reports that it has stopped."""

    @abstractmethod
    def kill(self) -> None:
        """Kill it with everything it holds, at once."""

    @property
    def cut_at_s(self) -> float | None:
        """When the last `kill` of this object began to cut streams, since the epoch; None: with
        the call.
        """
        return None

    def why_not_kill(self) -> str:
        """Why it cannot be killed; empty if it can. Sends no request, raises nothing."""
        return ""

    @abstractmethod
    def start(self, before: Before) -> None:
        """Start it as it was before. Calling it again changes nothing."""

    @abstractmethod
    def state(self, before: Before) -> PowerState | None:
        """The current state compared with the state before; None if the adapter cannot say."""

    @abstractmethod
    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        """Whether the region is dark now.

        `look` checks its ready_url now, and raises PortError if the check itself failed;
        `answered`: the status that it gave before the stop (None: it gave none); `others`: whether
        another region answers now. Raises PortError if what it sees decides nothing.
        """

    @abstractmethod
    def command(self, before: Before) -> str | None:
        """The complete shell line with which a person starts it, without any secret; None if there
        is none.
        """
