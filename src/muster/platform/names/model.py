"""The port that says what clients of the public name are answered, and for how long.

The bounds of every wait for traffic come from here, and what the load's resolvers need to tell
regions apart by address. An adapter is made without asking anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Names(ABC):
    """The public name, as its clients meet it."""

    @abstractmethod
    def ttl_s(self) -> int:
        """For how long a client may go on using an old answer, in seconds. Raises PortError."""

    @abstractmethod
    def detection(self) -> dict[str, tuple[int, int]]:
        """(seconds between looks, failed looks needed) by region that is taken out when it is lost.

        A region that is not in it stays in the answers whatever becomes of it. Raises PortError,
        and BadInput where only the target can say it and does not.
        """

    @abstractmethod
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """What each region's name is answered; empty where addresses do not say it.

        Raises PortError.
        """
