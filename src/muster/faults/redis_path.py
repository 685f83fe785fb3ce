"""Observes by Redis's own protocol what answers on the path to a Redis.

An error from Redis itself (NOAUTH, WRONGPASS, NOPERM, LOADING, …) is an answer: Redis was reached,
and a fault that should make it unreachable did not take effect. A client library hides this: it
raises the same kind of error for such answers and for refused connections.
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from muster.faults.model import FaultError

if TYPE_CHECKING:
    from muster.targets.model import Target

PONG = "PONG"
TIMEOUT_S = 1.0
REPLY_BYTES_MAX = 512
Met = Literal["answer", "closed", "refused", "unreached", "silent", "blind"]


@dataclass(frozen=True)
class RedisLook:
    """The result.

    `answer`: `reply` holds Redis's own reply (`PONG`, `NOAUTH`, …). `closed`: accepted, and closed
    without a byte. `refused`: nothing listens. `unreached`: no connection in time. `silent`:
    accepted, and no reply in time, which also happens with a slow Redis. `blind`: the observation
    itself failed.
    """

    met: Met
    said: str
    reply: str | None = None

    @property
    def away(self) -> bool | None:
        """Whether no Redis is reachable; None: this observation cannot decide it."""
        if self.met in ("silent", "blind"):
            return None
        return self.met != "answer"


def url_of(target: Target, region: str) -> str:
    """The region's Redis on the path that its gateways use. Raises FaultError if it is not set."""
    url = target.regions[region].redis_url
    if url is None:
        raise FaultError(f"target {target.name}: regions.{region}.redis_url is not set")
    return url


def look_at_redis(url: str, timeout_s: float = TIMEOUT_S) -> RedisLook:
    """Send PING, after AUTH if `url` has a password, on a new connection. Never raises."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 6379
        context = _context(parts)
    except (ValueError, OSError) as error:
        return RedisLook("blind", f"its address cannot be used: {error}")
    try:
        link = socket.create_connection((host, port), timeout=timeout_s)
    except UnicodeError as error:
        return RedisLook("blind", f"its name cannot be used: {error}")
    except OSError as error:
        return _unconnected(error)
    try:
        if context is not None:
            link = context.wrap_socket(link, server_hostname=host)
        link.sendall(_commands(parts))
        return _reply(link, answers=1 + bool(parts.password))
    except TimeoutError:
        return RedisLook("silent", "accepts a connection but does not reply")
    except ssl.SSLError as error:
        # A server that speaks TLS exists, even if it only refuses the connection.
        return RedisLook("answer", f"answers with a TLS error: {error.reason or error}", "TLS")
    except OSError as error:
        return RedisLook("closed", f"closes the connection: {error.strerror or error}")
    finally:
        link.close()


def _context(parts: SplitResult) -> ssl.SSLContext | None:
    """How to check a `rediss` server, which may get a password: as the library redis does, with the
    certificate authority of the address's `ssl_ca_certs` or the machine's own.
    """
    if parts.scheme != "rediss":
        return None
    return ssl.create_default_context(cafile=dict(parse_qsl(parts.query)).get("ssl_ca_certs"))


def _commands(parts: SplitResult) -> bytes:
    ping = _command("PING")
    if not parts.password:
        return ping
    user = [unquote(parts.username)] if parts.username else []
    return _command("AUTH", *user, unquote(parts.password)) + ping


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(
        b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded
    )


def _reply(link: socket.socket, answers: int) -> RedisLook:
    """The last reply, or the first one that is an error."""
    got = b""
    while len(got) < REPLY_BYTES_MAX:
        part = link.recv(REPLY_BYTES_MAX)
        if not part:
            break
        got += part
        lines = [line.decode("latin-1") for line in got.split(b"\r\n")[:-1]]
        if refusal := next((line for line in lines if line.startswith("-")), None):
            word = refusal[1:].split(" ")[0]
            return RedisLook("answer", f"answers {refusal[1:120]}", word)
        if len(lines) >= answers:
            word = lines[-1].lstrip("+")
            return RedisLook("answer", f"answers {word[:60]}", word[:60])
    if got:
        return RedisLook("answer", "answers, but not in Redis's protocol", "other")
    return RedisLook("closed", "closes the connection without an answer")


def _unconnected(error: OSError) -> RedisLook:
    if isinstance(error, socket.gaierror):
        return RedisLook("blind", f"its name does not resolve: {error.strerror or error}")
    if isinstance(error, ConnectionRefusedError):
        return RedisLook("refused", "refuses connections")
    if isinstance(error, TimeoutError) or error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return RedisLook("unreached", f"accepts no connection: {error.strerror or 'timed out'}")
    return RedisLook("blind", f"could not ask: {error.strerror or error}")


def accepts(address: str, timeout_s: float = TIMEOUT_S) -> bool | None:
    """Whether `host:port` accepts a connection; None: this observation cannot decide it."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
    except (ConnectionRefusedError, TimeoutError):
        return False
    except (OSError, ValueError):
        return None
    return True
