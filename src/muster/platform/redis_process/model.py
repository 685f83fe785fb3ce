"""The port to the server process of a region's Redis: halt it, kill it, bring it back.

Creating an adapter sends no request. A call is limited by `timeout_s`, returns once the platform
reports that it is done, and raises PortError if it fails.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from muster.platform.port import TimedAdapter

RedisState = Literal["running", "halted", "gone"]
STATES: tuple[RedisState, ...] = ("running", "halted", "gone")


class RedisProcess(TimedAdapter):
    """One region's Redis server."""

    usable: ClassVar[bool] = True
    """Whether Muster can reach the process at all."""

    def __init__(self, region: str) -> None:
        self.region = region

    @abstractmethod
    def state(self) -> RedisState:
        """What the process is: running, halted (SIGSTOP), or gone."""

    @abstractmethod
    def halt(self) -> None:
        """Stop its threads where they are, as SIGSTOP does: its port accepts, and it is silent."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, without a chance to save anything."""

    @abstractmethod
    def run(self) -> None:
        """Let it go on, or start it: whatever it was, it runs afterwards."""
