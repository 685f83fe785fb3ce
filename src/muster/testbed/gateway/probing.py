"""A gateway whose routes are all given up asks them itself, since no client comes any more.

It is not ready while every circuit is open, so its region gets no traffic, and without traffic no
circuit would ever close again. Once a second it sends one small request to each route that may be
tried.
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


def probe(circuits: Mapping[str, Circuit], pools: Mapping[str, Pool], now_s: float) -> None:
    """Ask every route that may be tried, if all of them are given up."""
    if not given_up(circuits):
        return
    for route, circuit in circuits.items():
        if circuit.allow(now_s):
            pools[route].send(Probe(circuit), fresh=True)
