"""A gateway asks a route itself that no client asks any more, so that its circuit can close again.

While every circuit is open the gateway is not ready, and its region gets no traffic. While the
primary route serves, no client gets as far as the fallback, and its circuit would stay open for
ever. Once a second one small request goes to each such route that may be tried.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import orjson

from muster.testbed.gateway.circuit import Circuit
from muster.testbed.gateway.upstream import Answer, Pool, UpstreamStream

BODY = orjson.dumps(
    {
        "model": "muster-stub",
        "stream": True,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "a gateway's own probe"}],
    }
)


class Probe:
    """One request of the gateway's own; its outcome counts for the circuit of its route."""

    stream = True
    begun = False
    body = BODY
    tries = 1

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.upstream: UpstreamStream | None = None
        self._over = False

    def awaits(self, tries: int) -> bool:
        return not self._over and self.upstream is None

    def takes(self, status: int) -> bool:
        return status == 200

    def takes_body(self, body: bytes) -> bool:
        return False

    def begin(self, head: Answer, held: bytes, ended: bool) -> None:
        """The first content came: that is all it asked."""
        self.begun = True
        if not self._over:
            self._over = True
            self._circuit.succeeded(time.monotonic())
        if self.upstream is not None and not ended:
            self.upstream.abandon()

    def forward(self, data: bytes, ended: bool) -> None:
        """The rest says nothing more."""

    def completed(self) -> None:
        """It is over since its first content."""

    def broken(self) -> None:
        """It is over since its first content."""

    def route_failed(self) -> None:
        if not self._over:
            self._over = True
            self._circuit.failed(time.monotonic())

    def route_lost(self, *, resend: bool) -> None:
        self.route_failed()

    def route_lost_at(self, tries: int) -> None:
        self.route_failed()


def given_up(circuits: Mapping[str, Circuit]) -> bool:
    """Whether every route's circuit is open."""
    return all(circuit.open for circuit in circuits.values())


def unasked(circuits: Mapping[str, Circuit]) -> list[str]:
    """The routes whose circuit is open and that no client tries.

    `circuits` stand in the order in which clients try the routes: those behind one that serves get
    none, and if no route serves, no client comes.
    """
    names = list(circuits)
    serving = [at for at, circuit in enumerate(circuits.values()) if not circuit.open]
    behind = names[serving[0] :] if serving else names
    return [name for name in behind if circuits[name].open]


def probe(circuits: Mapping[str, Circuit], pools: Mapping[str, Pool], now_s: float) -> None:
    """Ask every route that no client tries and that may be tried."""
    for route in unasked(circuits):
        if circuits[route].allow(now_s):
            pools[route].send(Probe(circuits[route]), fresh=True)
