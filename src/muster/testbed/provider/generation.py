"""Generates answers, driven by the timer wheel, independent of the protocol.

A stream of n tokens lasts its first-token delay plus n / tokens_per_s. The first token comes alone,
then every chunk_s a chunk with the tokens of that time, and the rest at the end.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Protocol

from muster.exposition import Registry
from muster.testbed.provider.config import ProviderConfig
from muster.testbed.provider.delays import Delays
from muster.testbed.provider.text import DONE, StreamText, whole
from muster.testbed.provider.trouble import STREAM_ERROR, Trouble
from muster.testbed.provider.wheel import Wheel
from muster.testbed.wire.openai import ChatRequest
from muster.testbed.wire.ticker import TICK_S


class Reply(Protocol):
    """Receives an answer. After `whole`, `last` or `cut` it is not called again."""

    def whole(self, body: bytes, injected_ms: int) -> None:
        """One JSON document."""

    def first(self, body: bytes, injected_ms: int) -> None:
        """A stream's head and its first events."""

    def more(self, body: bytes) -> None:
        """Further events."""

    def last(self, body: bytes) -> None:
        """The last events, and the end."""

    def cut(self) -> None:
        """The stream breaks off."""


class Route:
    """One of the provider's two routes."""

    def __init__(self, name: str, provider: Provider) -> None:
        config = provider.config
        slow = config.defect == "slow_fallback_provider" and name == "fallback"
        self.name = name
        self.provider = provider
        self.requests = 0
        self.streams = 0
        self.trouble = Trouble()
        self.delays = Delays(
            config.first_token_s,
            config.seed,
            config.index,
            name,
            config.slow_fallback_extra_s if slow else 0.0,
        )


class Provider:
    """State shared by all connections of the process."""

    def __init__(self, config: ProviderConfig, wheel: Wheel) -> None:
        self.config = config
        self.wheel = wheel
        self.registry = Registry()
        self.routes = {name: Route(name, self) for name in config.routes}
        self.ticks_per_token = 1 / config.tokens_per_s / TICK_S
        self.chunk_ticks = max(1, round(config.chunk_s / TICK_S))
        self.serial = 0
        requests = self.registry.family(
            "muster_provider_requests_total", "counter", "Chat requests by route."
        )
        streams = self.registry.family(
            "muster_provider_streams_open", "gauge", "Answers being generated, by route."
        )
        for name, route in self.routes.items():
            requests.value({"route": name}, partial(getattr, route, "requests"))
            streams.value({"route": name}, partial(getattr, route, "streams"))


class Generation:
    """One answer being generated, driven by the wheel."""

    __slots__ = (
        "_ask",
        "_cut_after",
        "_over",
        "_reply",
        "_route",
        "_sent",
        "_serial",
        "_start",
        "_text",
        "injected_ms",
    )

    def __init__(self, reply: Reply, route: Route, ask: ChatRequest) -> None:
        provider = route.provider
        provider.serial += 1
        route.requests += 1
        route.streams += 1
        self._serial = f"{provider.config.index}-{provider.serial}"
        self._reply = reply
        self._route = route
        self._ask = ask
        self._sent = 0
        self._cut_after = route.trouble.cut_after_tokens
        self._over = False
        self._text = StreamText(ask, self._serial) if ask.stream else None
        now = provider.wheel.tick_at(time.monotonic())
        late_s = route.trouble.first_token_ms / 1000
        first = round(now + route.delays.draw_ticks() + late_s / TICK_S)
        self._start = first
        # The reported delay is the one up to the wheel's tick, not the drawn one.
        self.injected_ms = round((first - now) * TICK_S * 1000)
        provider.wheel.add(first if ask.stream else self._end_tick(), self)

    def stop(self) -> None:
        """The rest of it is not needed."""
        if not self._over:
            self._over = True
            self._route.streams -= 1

    def due(self, tick: int) -> None:
        """Called by the wheel: send what is due by `tick`."""
        if self._over:
            return
        text = self._text
        if text is None:
            self.stop()
            self._reply.whole(whole(self._ask, self._serial), self.injected_ms)
            return
        tokens = self._ask.tokens
        provider = self._route.provider
        end = self._end_tick()
        if not self._sent and self._route.trouble.stream_error:
            self.stop()
            self._reply.first(text.role() + STREAM_ERROR, self.injected_ms)
            self._reply.last(DONE)
            return
        if not self._sent:
            self._reply.first(text.role() + text.content(1), self.injected_ms)
            self._sent = 1
        elif 0 < self._cut_after <= self._sent < tokens:
            self.stop()
            self._reply.cut()
            return
        else:
            due = tokens if tick >= end else int((tick - self._start) / provider.ticks_per_token)
            body = text.content(due - self._sent) if due > self._sent else b""
            self._sent = max(due, self._sent)
            if tick >= end:
                self.stop()
                self._reply.last(body + text.end())
                return
            if body:
                self._reply.more(body)
        provider.wheel.add(min(end, tick + provider.chunk_ticks), self)

    def _end_tick(self) -> int:
        return self._start + max(1, round(self._ask.tokens * self._route.provider.ticks_per_token))
