"""A Redis with a replica, as its Sentinel and the servers themselves show it.

The servers are asked at the addresses that Sentinel gives, with the user and password of
`redis_url`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from muster import effects
from muster.faults.model import FaultError

if TYPE_CHECKING:
    from redis import Redis

    from muster.targets.redis_sentinel import RedisSentinel

Address = tuple[str, int]
Found = TypeVar("Found")
TIMEOUT_S = 1.0
BUSY = {"s_down", "o_down", "disconnected", "failover_in_progress", "force_failover"}


@dataclass(frozen=True)
class Sight:
    """What Sentinel says. `busy`: it sees the primary down, or is about to promote another.
    `fit`: how many of the replicas it reaches, and could promote.
    """

    primary: Address
    busy: bool
    replicas: tuple[Address, ...]
    fit: int


@dataclass(frozen=True)
class Server:
    """What one server says of itself. `linked`: a replica that is in step with its primary.
    `followers`: replicas that are connected to it.
    """

    role: str
    run_id: str
    linked: bool
    followers: int


class RedisPair:
    """Asks Sentinel and the servers, each question on a new connection. Raises FaultError."""

    def __init__(self, url: str, sentinel: RedisSentinel) -> None:
        self._url = url
        self._sentinel = sentinel

    def sight(self) -> Sight:
        name = self._sentinel.master
        url = self._sentinel.url
        shown: Any = _ask(url, lambda one: one.sentinel_master(name))
        others: Any = _ask(url, lambda one: one.sentinel_slaves(name))
        fit = sum(not BUSY & _flags(one) for one in others)
        busy = bool(BUSY & _flags(shown))
        return Sight(_address(shown), busy, tuple(map(_address, others)), fit)

    def fail_over(self) -> None:
        """Let Sentinel promote a replica although the primary is well."""
        effects.ask()
        _ask(self._sentinel.url, lambda one: one.sentinel_failover(self._sentinel.master))

    def on_the_path(self) -> Server:
        """The server that the gateways reach."""
        return _ask(self._url, _server)

    def server(self, address: Address) -> Server:
        return _ask(self._at(address), _server)

    def follow(self, address: Address, primary: Address) -> None:
        """Make the server at `address` a replica of the one at `primary`."""
        effects.ask()
        _ask(self._at(address), lambda one: one.replicaof(*primary))

    def _at(self, address: Address) -> str:
        parts = urlsplit(self._url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{address[0]}:{address[1]}"))


def _server(client: Redis) -> Server:
    shown = client.info("replication")
    run_id = str(client.info("server")["run_id"])
    linked = shown.get("master_link_status") == "up" and not shown.get("master_sync_in_progress")
    return Server(str(shown["role"]), run_id, linked, int(shown["connected_slaves"]))


def _ask(url: str, question: Callable[[Redis], Found]) -> Found:
    from redis import Redis, RedisError
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = Redis.from_url(
        url, decode_responses=True, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    where = urlsplit(url)
    try:
        return question(client)
    except (RedisError, OSError, KeyError, ValueError) as error:
        raise FaultError(f"Redis at {where.hostname}:{where.port}: {error}") from error
    finally:
        client.close()


def _address(shown: dict[str, Any]) -> Address:
    return str(shown["ip"]), int(shown["port"])


def _flags(shown: dict[str, Any]) -> set[str]:
    flags = shown["flags"]
    return set(flags.split(",")) if isinstance(flags, str) else set(flags)
