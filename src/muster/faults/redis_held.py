"""Connections to a Redis that this process holds, so that nobody else gets them.

They end with this process. Redis lists them by their name, which tells them from all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from muster import effects
from muster.faults.model import FaultError

if TYPE_CHECKING:
    from redis import Redis

NAME = "muster-holds-this"
ROUNDS_MAX = 20
_OPEN: dict[str, list[Redis]] = {}
"""The connections that are held, by region: whoever reverts a fault is not whoever made it."""


class Held:
    """The connections to one region's Redis. `new` makes a client, `ask` puts a question to one and
    raises FaultError.
    """

    def __init__(self, region: str, new: Callable[[], Redis], ask: Callable[..., Any]) -> None:
        self._region, self._new, self._ask = region, new, ask

    def take_all(self, limit: int, refusal: str) -> None:
        """Hold up to `limit` connections, end all others, and hold those too. Raises FaultError.

        `refusal`: what Redis says if there is none left.
        """
        held = _OPEN.setdefault(self._region, [])
        for _ in range(ROUNDS_MAX):
            while len(held) < limit and self._takes_one(held, refusal):
                pass
            others = self.others()
            self._ask(lambda client, ids=others: _end(client, ids), held[0])
            if not others:
                return
        raise FaultError(f"redis {self._region}: other clients are still connected")

    def others(self) -> list[str]:
        """The ids of the clients whose connections are not held. Raises FaultError if unknown."""
        if not (held := _OPEN.get(self._region)):
            raise FaultError(f"redis {self._region}: this process holds no connection")
        found: list[str] = self._ask(_others, held[0])
        return found

    @contextmanager
    def given_back(self) -> Iterator[Redis | None]:
        """One of the connections, if any is held; all of them are closed afterwards."""
        held = _OPEN.pop(self._region, [])
        try:
            yield held[0] if held else None
        finally:
            for client in held:
                client.close()

    def _takes_one(self, held: list[Redis], refusal: str) -> bool:
        effects.ask()
        client = self._new()
        try:
            self._ask(lambda one: one.client_setname(NAME), client)
        except FaultError as error:
            client.close()
            if refusal in str(error):
                return False
            raise
        held.append(client)
        return True


def connected(client: Redis) -> int:
    """How many clients are connected."""
    return int(client.info("clients")["connected_clients"])


def _others(client: Redis) -> list[str]:
    return [str(one["id"]) for one in client.client_list() if one["name"] != NAME]


def _end(client: Redis, ids: list[str]) -> None:
    for one in ids:
        effects.ask()
        client.client_kill_filter(_id=one)
