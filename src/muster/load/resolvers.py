"""A population of resolver caches, like the clients of a public name: each honours the records'
TTL.

A cache queries when a client needs an address and its answer has expired, so a change of weights
spreads over one TTL. A cache that `holds` stands for clients that keep their connection: it goes on
with its address past the TTL until that address fails, or a server there closes a connection after
its answer: who must connect again resolves the name again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

BACKOFF_S = (0.1, 0.2, 0.5, 1.0)
"""Waits between failing queries of one cache, in seconds."""
GIVE_UP_S = 2.0
"""A client waits at most this long for an address, in seconds; then its attempt is refused."""


@dataclass(frozen=True)
class Resolved:
    """Addresses of a name, and how long they may be used.

    `others`: addresses of the family that is not preferred, for when a connection cannot be made.
    No address at all: the name has none, which may be used as long.
    """

    addresses: tuple[str, ...]
    ttl_s: float
    others: tuple[str, ...] = ()


class Lookup(Protocol):
    """Source of answers. The callback gets None if there is none, at once or later."""

    def ask(self, callback: Callable[[Resolved | None], None]) -> None: ...


class Later(Protocol):
    """Calls back after some seconds."""

    def __call__(self, delay_s: float, call: Callable[[], None]) -> object: ...


class Cache:
    """One resolver cache."""

    __slots__ = (
        "_dead", "_none_until_s", "_others", "_population", "_turn", "addresses", "asking",
        "expires_s", "failures", "holds", "waiting",
    )  # fmt: skip

    def __init__(self, population: Population, holds: bool) -> None:
        self._population = population
        self.holds = holds
        self.addresses: tuple[str, ...] = ()
        self.expires_s = 0.0
        self.asking = False
        self.failures = 0
        self.waiting: list[tuple[float, Callable[[str | None], None]]] = []
        self._turn = 0
        self._others: tuple[str, ...] = ()
        self._dead: set[str] = set()  # of the present answer
        self._none_until_s = -inf  # "there is no address" may be used until then

    def address(self, now_s: float) -> str | None:
        """Return an address that may be used now without a query."""
        if self.addresses and (self.holds or now_s < self.expires_s):
            if len(self.addresses) == 1:
                return self.addresses[0]
            self._turn += 1
            return self.addresses[self._turn % len(self.addresses)]
        return None

    def wait(self, now_s: float, callback: Callable[[str | None], None]) -> None:
        """Query, or join the query in progress; None after GIVE_UP_S without an answer.

        None at once as long as an answer holds that there is no address.
        """
        if now_s < self._none_until_s:
            callback(None)
            return
        self.waiting.append((now_s + GIVE_UP_S, callback))
        if not self.asking:
            self.asking = True
            self._population.lookup.ask(self._answered)

    def second(self, address: str) -> str | None:
        """Another address of the answer, since `address` could not be connected to.

        None once all of them failed: then nobody tries a second one until the next answer.
        """
        if address in self.addresses or address in self._others:
            self._dead.add(address)
        every = (*self.addresses, *self._others)
        return next((one for one in every if one != address and one not in self._dead), None)

    def released(self, address: str) -> None:
        """A connection to a held address ended, or could not be made: the cache queries again."""
        if self.holds and address in self.addresses:
            self.addresses = ()

    def _answered(self, resolved: Resolved | None) -> None:
        population = self._population
        now_s = population.now_s()
        if resolved is not None and not resolved.addresses and resolved.ttl_s > 0:
            self._has_none(now_s + resolved.ttl_s)
            return
        if resolved is None or not resolved.addresses:
            population.on_failure()
            wait_s = BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
            self.failures += 1
            population.later(wait_s, self._again)
            return
        self.asking = False
        self.failures = 0
        self.addresses = resolved.addresses
        self._others = resolved.others
        self._dead.clear()
        self.expires_s = now_s + resolved.ttl_s
        population.on_answer(resolved.addresses[0])
        waiting, self.waiting = self.waiting, []
        for _, callback in waiting:
            callback(self.addresses[0])

    def _has_none(self, until_s: float) -> None:
        """The name has no address, which holds until then: nobody waits for another answer."""
        self._population.on_failure()
        self.asking, self.failures = False, 0
        self.addresses, self._others = (), ()
        self._none_until_s = until_s
        waiting, self.waiting = self.waiting, []
        for _, callback in waiting:
            callback(None)

    def _again(self) -> None:
        now_s = self._population.now_s()
        given_up = [callback for until_s, callback in self.waiting if until_s <= now_s]
        self.waiting = [entry for entry in self.waiting if entry[0] > now_s]
        for callback in given_up:
            callback(None)
        if self.waiting:
            self._population.lookup.ask(self._answered)
        else:
            self.asking = False


class Population:
    """All caches of one shard."""

    def __init__(
        self,
        size: int,
        hold_share: float,
        lookup: Lookup,
        *,
        now_s: Callable[[], float],
        later: Later,
        on_answer: Callable[[str], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.lookup = lookup
        self.now_s = now_s
        self.later = later
        self.on_answer = on_answer
        self.on_failure = on_failure
        holders = round(size * hold_share)
        self.caches = [Cache(self, index < holders) for index in range(max(1, size))]

    def pick(self, draw: float) -> Cache:
        """The cache that `draw` in [0, 1) selects."""
        return self.caches[int(draw * len(self.caches))]


def caches_of_shard(total: int, shard: int, shards: int) -> int:
    """How many of `total` caches one shard has; at least one."""
    return max(1, (total - shard + shards - 1) // shards)
