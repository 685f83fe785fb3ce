"""The gateway's planted defects, each behind one question that a healthy gateway answers with no.

Defects that appear only after a shift check the region's streams: in a 50/50 baseline each region
holds half of all streams, which is a third of its limit; alone it holds two thirds of it. Decisions
by share count instead of drawing random numbers, so that a small run has the same share as a large
one.
"""

from __future__ import annotations

import time

from muster.testbed.gateway.config import GatewayConfig

LIMIT_FACTOR = 1.5
SHED_STREAMS_SHARE = 0.6
SHED_SHARE = 0.1
COLD_SHARE_MAX = 0.1  # twice what p95 tolerates, and few enough not to fill the region as well
CUT_AFTER_S = 1.0
SPOILED_SHARE = 0.15  # three times what the success rate tolerates
STALLED_SHARE = 0.02
ANEW_MAX = 2000  # connections, where each stream asks for one
SMALL_FALLBACK_SHARE = 0.5  # three quarters of all streams: enough for one region of two
OWN_SHARE = 0.5  # half as many again as a gateway holds in a 50/50 baseline: not twice as many


class Planted:
    """One defect; without one, or disarmed, every answer is that of a healthy gateway."""

    def __init__(self, config: GatewayConfig) -> None:
        limit = config.streams_limit_region
        self.name = config.defect
        self.armed = True
        self.stuck_since_s: float | None = None
        self._cut_due_s: float | None = None
        self._cold_extra_s = config.cold_extra_s
        self._patience_s = config.patience_s
        self._warm_streams = config.warm_streams or limit / 2
        self._shed_at = config.shed_at_streams or SHED_STREAMS_SHARE * limit / LIMIT_FACTOR
        self._own_max = OWN_SHARE * config.streams_limit
        self._warm_s = time.monotonic() + config.cold_start_s
        self._share = 0.0
        self._cached = False

    @property
    def redis_fallback(self) -> bool:
        return self.name != "no_redis_fallback"

    @property
    def fallback_share(self) -> float:
        """Which share of its limit it admits while Redis is away."""
        return SMALL_FALLBACK_SHARE if self.name == "small_redis_fallback" else 1.0

    @property
    def keeps_connections(self) -> bool:
        """Whether it leaves the connections of its clients open when it is asked to release
        them.
        """
        return self.name == "keeps_connections"

    @property
    def stays_on_route(self) -> bool:
        """Whether no request ever takes the other route."""
        return self.name in ("stays_on_route", "connects_anew")

    @property
    def connects_anew(self) -> bool:
        """Whether each request asks for a connection of its own."""
        return self.name == "connects_anew"

    @property
    def passes_on_breaks(self) -> bool:
        """Whether a stream that the provider broke off is not continued."""
        return self.name == "passes_on_breaks"

    @property
    def shallow_health(self) -> bool:
        """Whether it says that it is ready whatever became of its requests."""
        # Impatience gives up routes with which nothing is wrong: what is wrong must show in rates.
        return self.name in ("shallow_health", "impatient")

    def waits_s(self, route: str, timeout_s: float) -> float | None:
        """For how long it waits for a first token of that route; None: for as long as it takes."""
        if self.name == "impatient":
            return self._patience_s
        return timeout_s if route == "primary" and not self.stays_on_route else None

    @property
    def is_cold(self) -> bool:
        """Whether it cannot serve yet, although it said that it is ready."""
        return self.name == "ready_too_early" and self.armed and time.monotonic() < self._warm_s

    def sheds(self, region_streams: int, own_streams: int = 0) -> bool:
        """Whether to refuse this request although there is room."""
        if not self.armed:
            return False
        if self.name == "no_spare_gateway":
            return own_streams >= self._own_max
        if self.name == "undersized_survivor":
            return region_streams >= self._shed_at
        if self.name == "sheds_too_much" and region_streams > self._warm_streams:
            return self._one_in(SHED_SHARE)
        return False

    def delay_s(self, region_streams: int) -> float:
        """How long to delay this admitted request: requests beyond the warm capacity are slow."""
        if self.name != "cold_survivor" or not self.armed or region_streams <= self._warm_streams:
            return 0.0
        share = min(COLD_SHARE_MAX, (region_streams - self._warm_streams) / region_streams)
        return self._cold_extra_s if self._one_in(share) else 0.0

    def spoils(self, region_streams: int) -> bool:
        """Whether this stream carries an error, or nothing."""
        return self.armed and region_streams > self._warm_streams and self._one_in(SPOILED_SHARE)

    def answers_from_cache(self, region_streams: int) -> bool:
        """Whether the region answers from its cache: from the moment at which it was first
        alone.
        """
        self._cached = self._cached or region_streams > self._warm_streams
        return self.armed and self._cached

    def stalls(self) -> bool:
        """Whether this stream will stall."""
        return self.armed and self._one_in(STALLED_SHARE)

    def drain_asked(self, now_s: float) -> None:
        if self.name == "cuts_streams_on_drain" and self.armed:
            self._cut_due_s = now_s + CUT_AFTER_S

    def cuts_now(self, now_s: float) -> bool:
        """True once, a second after a drain was asked for."""
        if self._cut_due_s is None or now_s < self._cut_due_s:
            return False
        self._cut_due_s = None
        return True

    def watch_queue(self, now_s: float, region_streams: int) -> None:
        if self.name != "queue_stuck":
            return
        if not self.armed:
            self.stuck_since_s = None
        elif self.stuck_since_s is None and region_streams > self._warm_streams:
            self.stuck_since_s = now_s

    def _one_in(self, share: float) -> bool:
        self._share += share
        if self._share < 1.0 - 1e-9:
            return False
        self._share -= 1.0
        return True
