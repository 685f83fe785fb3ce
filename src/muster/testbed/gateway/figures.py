"""The gateway's counts: plain integers on the hot path, text when scraped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial

from muster.exposition import Histogram, Labels, Registry, edge_text
from muster.testbed.gateway.config import GatewayConfig
from muster.testbed.gateway.miscounts import Halved, Workers

FIRST_TOKEN_EDGES_S = (
    *(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5),
    *(1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.0, 3.5, 4.0, 5.0, 7.5, 10.0),
)
COMPLETION_EDGES_S = (
    *(0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0),
    *(14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 22.0, 25.0, 30.0, 45.0, 60.0),
)
ROUTES = ("primary", "fallback")
FAILURE_REASONS = ("redis_unavailable", "token_validation", "gateway_health")


class Figures:
    """Every count of one gateway. Only `canaries` includes canaries."""

    def __init__(self, config: GatewayConfig) -> None:
        self.requests: dict[str, int] = {"200": 0}
        self.canaries: dict[str, int] = {"200": 0}
        self._halves = config.defect == "counts_half"
        self._skips = False
        self._workers = Workers() if config.defect == "sawtooth_counters" else None
        kind = Halved if self._halves else Histogram
        self.first_token = kind((*FIRST_TOKEN_EDGES_S, *config.edges_first_token_s))
        self.completion = kind((*COMPLETION_EDGES_S, *config.edges_completion_s))
        self.route_requests = dict.fromkeys(ROUTES, 0)
        self.route_first_token = {route: Histogram(FIRST_TOKEN_EDGES_S) for route in ROUTES}
        self.admission_failures = dict.fromkeys(FAILURE_REASONS, 0)
        self.broken = 0
        self.abandoned = 0
        self.resends = 0
        self.continued = 0
        # Open attempts by the moment at which they were accepted, oldest first (dicts keep their
        # order). Only their identity and their age matter here.
        self.no_first_token: dict[object, float] = {}
        self.open: dict[object, float] = {}
        self._thresholds = {
            "first_token": (self.no_first_token, sorted(config.edges_first_token_s)),
            "completion": (self.open, sorted(config.edges_completion_s)),
        }

    def answered(self, code: int, canary: bool) -> None:
        """An answer's head was written."""
        if self._halves and not canary:
            self._skips = not self._skips
            if self._skips:
                return
        counts = self.canaries if canary else self.requests
        key = str(code)
        counts[key] = counts.get(key, 0) + 1

    def open_over(self) -> dict[tuple[str, float], int]:
        """How many open attempts are older than each threshold of the contract, by phase."""
        now_s = time.monotonic()
        found: dict[tuple[str, float], int] = {}
        for phase, (waiting, thresholds_s) in self._thresholds.items():
            counts = dict.fromkeys(thresholds_s, 0)
            for accepted_s in waiting.values():
                age_s = now_s - accepted_s
                if age_s <= thresholds_s[0]:
                    break
                for threshold_s in thresholds_s:
                    if age_s <= threshold_s:
                        break
                    counts[threshold_s] += 1
            found.update({(phase, threshold_s): n for threshold_s, n in counts.items()})
        return found

    def publish(self, registry: Registry, region: str) -> None:
        """Declare the series that need only these counts."""
        here = {"region": region}
        family = registry.family
        requests: Mapping[str, int] = self.requests
        first_token, completion = self.first_token, self.completion
        if self._workers is not None:
            registry.page(self._workers)
            requests = self._workers.table(requests)
            first_token = self._workers.histogram(first_token)
            completion = self._workers.histogram(completion)
        family(
            "http_server_requests_total", "counter", "Answers by status code, without canaries."
        ).table(here, "code", requests)
        family(
            "chat_canary_requests_total", "counter", "Answers to canaries by status code."
        ).table(here, "code", self.canaries)
        family(
            "gen_ai_server_time_to_first_token_seconds",
            "histogram",
            "From request accepted to first stream byte with content.",
        ).histogram(here, first_token)
        family(
            "gen_ai_server_request_duration_seconds",
            "histogram",
            "From request accepted to stream close; cut streams count as never.",
        ).histogram(here, completion)
        family(
            "chat_provider_route_requests_total", "counter", "Requests sent to each route."
        ).table(here, "route", self.route_requests)
        family(
            "chat_provider_first_token_seconds", "histogram", "First token of the provider alone."
        ).histograms(here, "route", self.route_first_token)
        family(
            "chat_admission_failures_total",
            "counter",
            "Admissions not done as they should be.",
        ).table(here, "reason", self.admission_failures)
        for name, attribute, text in (
            ("chat_streams_broken_total", "broken", "Streams cut by gateway or provider."),
            ("chat_streams_abandoned_total", "abandoned", "Streams that the client left."),
            ("chat_provider_resends_total", "resends", "Resent: a kept connection was dead."),
            (
                "chat_streams_continued_total",
                "continued",
                "Broken off, and asked for elsewhere.",
            ),
        ):
            family(name, "counter", text).value(here, partial(getattr, self, attribute))
        family("chat_requests_open_over", "gauge", "Open attempts older than a threshold.").rows(
            partial(self._open_over_rows, region)
        )

    def _open_over_rows(self, region: str) -> Iterator[tuple[Labels, int]]:
        for (phase, threshold_s), count in self.open_over().items():
            yield {"region": region, "phase": phase, "le": edge_text(threshold_s)}, count
