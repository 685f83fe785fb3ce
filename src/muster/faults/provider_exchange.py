"""Times the path to the provider by bare HTTP exchanges, which need none of its work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

from muster.clock import Clock
from muster.faults.model import FaultError


def exchange_at(address: str, timeout_s: float, subject: str) -> str:
    """The status of one exchange on a new connection to `host:port`.

    Raises FaultError, which names `subject`.
    """
    link = HTTPConnection(address, timeout=timeout_s)
    try:
        link.request("GET", "/healthz")
        return str(link.getresponse().status)
    except (OSError, HTTPException) as error:
        raise FaultError(f"{subject}: {error or type(error).__name__}") from error
    finally:
        link.close()


def exchanges_at_once(
    address: str, count: int, timeout_s: float, subject: str, clock: Clock
) -> list[tuple[float, str]]:
    """How long each of `count` exchanges took, in milliseconds, and its status; shortest first.

    Each has a connection of its own. Raises FaultError.
    """

    def timed(_: int) -> tuple[float, str]:
        start_s = clock.monotonic_s()
        answer = exchange_at(address, timeout_s, subject)
        return (clock.monotonic_s() - start_s) * 1000, answer

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(timed, range(count)))
