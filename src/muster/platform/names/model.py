"""The port that says what clients get when they resolve the public name, and for how long.

It gives the limits of every wait for traffic, and the addresses by which the load's resolvers tell
regions apart. Creating an adapter sends no request.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Names(ABC):
    """The public name as its clients see it."""

    @abstractmethod
    def ttl_s(self) -> int:
        """How long a client may use an old answer, in seconds. Raises PortError."""

    @abstractmethod
    def detection(self) -> dict[str, tuple[int, int]]:
        """(seconds between health checks, failures needed) by region that DNS removes if it is
        lost.

        A region that is missing here stays in the answers in any case. Raises PortError, and
        BadInput if only the target can give the value and does not.
        """

    @abstractmethod
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses to which each region's name resolves; empty if addresses do not identify
        regions.

        Raises PortError.
        """
