"""Sends one request without a load: the same bytes and the same parser, on a plain socket.

It shows how a region would answer the load.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from muster.clock import SYSTEM_CLOCK, Clock
from muster.load.attempt import outcome_of
from muster.load.config import Endpoint
from muster.load.requests import Requests
from muster.load.wire import Answer, WireError
from muster.targets.request_form import RequestForm

READ_BYTES = 65536
CONNECT_S_MAX = 5.0


@dataclass(frozen=True)
class OneStream:
    """The result. Times are in seconds from before the connection; `status` 0: no answer.

    `outcome`: as the load would count it; `headers`: the requested ones, by lower-case name;
    `error`: why the answer is not complete.
    """

    address: str
    status: int
    outcome: str
    first_token_s: float | None
    whole_s: float | None
    headers: Mapping[str, str]
    body: bytes
    error: str = ""


def one_stream(
    endpoint: Endpoint,
    address: str,
    requests: Requests,
    *,
    tokens: int,
    form: RequestForm,
    seconds_max: float,
    headers: tuple[str, ...] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> OneStream:
    """Request a stream of `tokens` tokens from `address` (an address or a name), and read it.

    Takes at most `seconds_max`. Never raises for an error of the platform.
    """
    began_s = clock.monotonic_s()
    answer = Answer(keep=True)
    first_s: float | None = None
    error = ""

    def past_s() -> float:
        return clock.monotonic_s() - began_s

    try:
        with _connected(endpoint, address, min(CONNECT_S_MAX, seconds_max)) as sock:
            address = str(sock.getpeername()[0])
            sock.sendall(requests.of(tokens))
            while not answer.complete:
                left_s = seconds_max - past_s()
                if left_s <= 0:
                    raise TimeoutError
                sock.settimeout(left_s)
                data = sock.recv(READ_BYTES)
                if not data:
                    answer.eof()
                    break
                answer.feed(data)
                if first_s is None and answer.moved_on():
                    first_s = past_s() if answer.events.carried(form.first_token) else None
    except TimeoutError:
        error = f"no complete answer within {past_s():.0f} s"
    except (OSError, WireError) as failed:
        error = str(failed) or type(failed).__name__
    cut = not answer.complete
    if cut and not error:
        error = "the connection was closed before the end of the answer"
    outcome = outcome_of(answer, form, cut=cut) if answer.status else "no_answer"
    shown = (
        {name: answer.header(name.lower().encode()) for name in headers} if answer.status else {}
    )
    return OneStream(
        address=address,
        status=answer.status,
        outcome=outcome,
        first_token_s=first_s,
        whole_s=None if cut else past_s(),
        headers={name: text.decode("ascii", "replace") for name, text in shown.items() if text},
        body=answer.body,
        error=error,
    )


def _connected(endpoint: Endpoint, address: str, seconds_max: float) -> socket.socket:
    """A connection, with TLS for an https URL. Raises OSError."""
    sock = socket.create_connection((address, endpoint.port), timeout=seconds_max)
    if not endpoint.tls:
        return sock
    try:
        context = ssl.create_default_context()
        return context.wrap_socket(sock, server_hostname=endpoint.host)
    except BaseException:
        sock.close()
        raise
