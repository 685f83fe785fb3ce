"""The gateway itself: routes, circuits, time-outs and drain states around the attempts."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from typing import Literal, Protocol

from muster.testbed.gateway.admission import Admission, Applicant
from muster.testbed.gateway.circuit import Circuit
from muster.testbed.gateway.config import GatewayConfig
from muster.testbed.gateway.figures import ROUTES, Figures
from muster.testbed.gateway.planted import ANEW_MAX, Planted
from muster.testbed.gateway.planted_tokens import TokensElsewhere
from muster.testbed.gateway.probing import given_up, probe
from muster.testbed.gateway.upstream import Answer, Pool, Requester
from muster.testbed.wire.server import REASONS

DrainState = Literal["serving", "closing", "draining"]
DRAIN_STATES: tuple[DrainState, ...] = ("serving", "closing", "draining")
LAG_JUDGED_S_MAX = 0.03
LAG_SKIPS_MAX = 5


class Routed(Applicant, Requester, Protocol):
    """An attempt, as the gateway sends it to a route and ends it."""

    accepted_s: float
    late: bool
    route: str
    sent_s: float

    def refuse(self, status: int, message: str, code: str) -> None:
        """Answer with an error instead of a stream."""

    def cut(self) -> None:
        """Break the stream in the middle of its answer."""

    def asks_for_rest(self) -> bool:
        """Turn it into a request for what is missing of its answer; whether that could be done."""


class Gateway:
    """State shared by all connections of the process. Needs a running loop."""

    def __init__(self, config: GatewayConfig) -> None:
        identity = f"{config.region}-{config.index}-{os.getpid()}"
        self.config = config
        self.bearer = f"Bearer {config.token}".encode()
        self.canary_bearer = f"Bearer {config.canary_token}".encode()
        self.common_headers = f"x-region: {config.region}\r\n"
        self.stream_head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            f"Cache-Control: no-cache\r\n{self.common_headers}Transfer-Encoding: chunked\r\n"
        ).encode()
        self.serial = 0
        self.serial_prefix = f"{config.region}-{config.index}-{os.getpid():x}-".encode()
        self.figures = Figures(config)
        self.planted = Planted(config)
        self.admission = Admission(
            config,
            self.figures,
            identity,
            fallback=self.planted.redis_fallback,
            fallback_share=self.planted.fallback_share,
        )
        self.tokens = None if config.tokens_from is None else TokensElsewhere(config.tokens_from)
        self.circuits = {route: Circuit(config.circuit) for route in ROUTES}
        self.pools = {
            route: Pool(
                getattr(config.providers, route),
                ANEW_MAX if self.planted.connects_anew else config.upstream_connections_max,
                0.0 if self.planted.connects_anew else config.upstream_idle_s_max,
            )
            for route in ROUTES
        }
        self.drain_state: DrainState = "serving"
        self.drained = False
        self.stopping = False
        # Both limits are the same for every attempt, so the first in the queue is due first.
        self._first_tokens: deque[tuple[float, str, Routed]] = deque()
        self._held_back: deque[tuple[float, Routed]] = deque()
        self._skipped = 0

    @property
    def closing(self) -> bool:
        """Whether connections close after their answers."""
        return self.stopping or (
            self.drain_state != "serving" and not self.planted.keeps_connections
        )

    @property
    def ready(self) -> bool:
        if self.stopping or self.drained:
            return False
        if not self.planted.shallow_health and given_up(self.circuits):
            return False
        return not self.planted.redis_fallback or not self.admission.exhausted

    @property
    def queue_age_s(self) -> float:
        stuck_since_s = self.planted.stuck_since_s
        stuck_s = 0.0 if stuck_since_s is None else time.monotonic() - stuck_since_s
        return max(stuck_s, self.admission.oldest_job_age_s)

    @property
    def queue_jobs(self) -> int:
        return self.admission.jobs + (self.planted.stuck_since_s is not None)

    def set_drain(self, state: DrainState) -> None:
        if state != "serving" and state != self.drain_state:
            self.planted.drain_asked(time.monotonic())
        self.drain_state = state
        if state != "draining":
            self.drained = False

    def admit(self, attempt: Routed) -> None:
        planted, admission = self.planted, self.admission
        if planted.name is not None and planted.sheds(admission.region_streams, admission.held):
            attempt.shed()
        elif planted.is_cold:
            attempt.unavailable("the gateway is starting", "starting")
        elif self.tokens is not None and not self.tokens.up:
            self.figures.admission_failures["token_validation"] += 1
            attempt.unavailable("tokens cannot be validated", "token_validation")
        else:
            self.admission.request(attempt)

    def start(self, attempt: Routed) -> None:
        """Send an admitted attempt to the provider."""
        now_s = time.monotonic()
        if self.planted.name is not None:
            delay_s = self.planted.delay_s(self.admission.region_streams)
            if delay_s:
                self._held_back.append((now_s + delay_s, attempt))
                return
        self._choose_route(attempt, now_s)

    def _choose_route(self, attempt: Routed, now_s: float) -> None:
        for route in ROUTES:
            if self.circuits[route].allow(now_s):
                self._send(attempt, route, now_s)
                return
        attempt.unavailable("no provider route is available", "provider_unavailable")

    def route_failed(self, attempt: Routed) -> None:
        """The attempt's route failed: count it and use the other route, once."""
        now_s = time.monotonic()
        if self.planted.stays_on_route:
            attempt.refuse(502, "the provider failed", "provider_failed")
            return
        self.circuits[attempt.route].failed(now_s)
        if attempt.route == "primary" and self.circuits["fallback"].allow(now_s):
            self._send(attempt, "fallback", now_s)
        else:
            attempt.refuse(502, "the provider failed", "provider_failed")

    def broke_off(self, attempt: Routed) -> None:
        """The attempt's stream broke off: count it, and ask the other route for the rest."""
        now_s = time.monotonic()
        self.circuits[attempt.route].failed(now_s)
        other = "fallback" if attempt.route == "primary" else "primary"
        continues = not (self.planted.passes_on_breaks or self.planted.stays_on_route)
        if continues and attempt.asks_for_rest() and self.circuits[other].allow(now_s):
            self._send(attempt, other, now_s)
        else:
            attempt.cut()

    def head_of(self, head: Answer, size: int) -> bytes:
        """Status line and headers for an answer of `size` bytes that is not a stream."""
        return (
            f"HTTP/1.1 {head.status} {REASONS.get(head.status, 'Status')}\r\n"
            f"Content-Type: {head.content_type.decode('latin-1')}\r\n"
            f"{self.common_headers}Content-Length: {size}\r\n"
        ).encode("latin-1")

    def tick(self, now_s: float, lag_s: float) -> None:
        """Every beat of the ticker."""
        self.admission.tick(now_s, lag_s)
        if self._first_tokens:
            self._leave_slow_route(now_s, lag_s)
        if self.drain_state == "draining" and not self.drained:
            admission = self.admission
            self.drained = not admission.held and not (admission.wire.up and admission.others)
        if self.planted.name is not None:
            self._planted_tick(now_s)

    def sweep(self, now_s: float, attempts: Iterable[Routed]) -> None:
        """Once a second: end what was silent for too long, and try routes that are given up."""
        for pool in self.pools.values():
            pool.sweep()
        probe(self.circuits, self.pools, now_s)
        for attempt in attempts:
            upstream = attempt.upstream
            if attempt.begun and upstream is not None:
                upstream.silent_s += 1
                if upstream.silent_s > self.config.silence_s_max:
                    attempt.cut()
            elif now_s - attempt.accepted_s > self.config.answer_s_max:
                attempt.refuse(504, "the provider did not answer in time", "provider_timeout")

    def cut_streams(self, attempts: Iterable[Routed]) -> None:
        """Break every open stream (a planted defect)."""
        for attempt in attempts:
            if attempt.begun:
                attempt.cut()

    def close(self) -> None:
        for pool in self.pools.values():
            pool.close()

    def _send(self, attempt: Routed, route: str, now_s: float) -> None:
        attempt.route = route
        attempt.sent_s = now_s
        attempt.tries += 1
        attempt.late = False
        self.figures.route_requests[route] += 1
        waits_s = self.planted.waits_s(route, self.config.first_token_timeout_s)
        if attempt.stream and waits_s is not None:
            self._first_tokens.append((now_s + waits_s, route, attempt))
        self.pools[route].send(attempt, fresh=self.planted.connects_anew)

    def _leave_slow_route(self, now_s: float, lag_s: float) -> None:
        # After a late beat the tokens may still be unread in the sockets: the gateway's own lag
        # must not count as the provider's. This is bounded, or an overloaded gateway would never
        # judge.
        if lag_s > LAG_JUDGED_S_MAX and self._skipped < LAG_SKIPS_MAX:
            self._skipped += 1
            return
        self._skipped = 0
        waiting = self._first_tokens
        while waiting and waiting[0][0] <= now_s:
            _, route, attempt = waiting.popleft()
            if attempt.over or attempt.begun or attempt.route != route:
                continue
            self.circuits[route].failed(now_s)
            if route == "fallback":  # a healthy gateway waits for its last route
                attempt.refuse(504, "the provider is too slow", "provider_timeout")
                continue
            attempt.late = True
            if self.circuits["fallback"].allow(now_s):
                upstream, attempt.upstream = attempt.upstream, None
                if upstream is not None:
                    upstream.abandon()
                self._send(attempt, "fallback", now_s)

    def _planted_tick(self, now_s: float) -> None:
        self.planted.watch_queue(now_s, self.admission.region_streams)
        while self._held_back and self._held_back[0][0] <= now_s:
            _, attempt = self._held_back.popleft()
            if not attempt.over:
                self._choose_route(attempt, now_s)
