"""One observation of an HTTP address: does anything answer there, and if not, what happened?

A proof that a region is dark must not depend on a failure of the observation itself, so five
results are told apart:

- `answer`: an HTTP answer came, whatever its status.
- `accepts`: a connection was accepted and no HTTP answer came on it. Something listens.
- `refused`: nothing listens there.
- `silent`: no connection was made in time, or there is no route.
- `blind`: the observation itself failed (a name that does not resolve, no free file descriptor). It
  shows nothing.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import httpx

Met = Literal["answer", "accepts", "refused", "silent", "blind"]
LOOK_S_MAX = 2.0
UPSTREAM_MISSING = frozenset({502, 503, 504})
"""Statuses with which a load balancer says that it has no backend."""
_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT})


@dataclass(frozen=True)
class Look:
    """The result. `status` is the HTTP status of an answer; `said` describes it for a person."""

    met: Met
    said: str
    status: int | None = None

    @property
    def ready(self) -> bool:
        """Whether the answer is 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def listens(self) -> bool:
        """Whether something listens there, whatever it answers."""
        return self.met in ("answer", "accepts")


def look_at(url: str, timeout_s: float = LOOK_S_MAX) -> Look:
    """Ask `url` once, on a connection of its own. Never raises."""
    import httpx

    try:
        status = _client().get(url, timeout=timeout_s).status_code
    except (httpx.ConnectTimeout, httpx.ConnectError) as error:
        return _unconnected(error)
    except (httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
        return Look("blind", f"could not ask: {error or type(error).__name__}")
    except httpx.HTTPError as error:
        return Look("accepts", f"accepts a connection but gives no answer: {type(error).__name__}")
    return Look("answer", f"answers {status}", status)


def serves(look: Look) -> bool:
    """Whether something behind a load balancer answers, and not only the load balancer."""
    return look.status is not None and look.status not in UPSTREAM_MISSING


@cache
def _client() -> httpx.Client:
    import httpx

    # No kept connection: one from before the fault would not show who listens now.
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _unconnected(error: Exception) -> Look:
    import httpx

    said = str(error) or type(error).__name__
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return Look("blind", f"its name does not resolve: {said}")
        if isinstance(cause, ssl.SSLError | ConnectionResetError):
            return Look("accepts", f"accepts a connection but gives no answer: {said}")
        if isinstance(cause, ConnectionRefusedError):
            return Look("refused", "refuses connections")
        if isinstance(cause, TimeoutError) or getattr(cause, "errno", None) in _NO_WAY:
            return Look("silent", f"accepts no connection: {said}")
    if isinstance(error, httpx.ConnectTimeout):
        return Look("silent", f"accepts no connection: {said}")
    return Look("blind", f"could not ask: {said}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes, first to last."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
