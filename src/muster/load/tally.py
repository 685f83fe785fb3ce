"""The counts of one shard: totals for Prometheus, differences for the record of each second."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from muster.exposition import Histogram
from muster.load.buckets import NEVER, bucket_index

UNKNOWN = "unknown"
REGIONS_MAX = 64
"""At most this many names from answers are kept, so that memory stays bounded."""
OUTCOMES = (
    "success", "broken", "error_in_stream", "empty_stream", "http_429", "http_4xx", "http_5xx",
    "refused", "reset", "timeout",
)  # fmt: skip
KINDS = ("scheduled", "retry")
CANARY_OUTCOMES = (
    "answered", "unavailable_5xx", "unavailable_reset", "unavailable_refused",
    "unavailable_timeout", "unavailable_broken", "unavailable_empty_stream",
    "unavailable_error_in_stream", "unavailable_wrong_answer", "unavailable_other",
)  # fmt: skip
LAG_EDGES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

_Key = TypeVar("_Key", bound=Hashable)
Nested = dict[str, Counter[str]]
Buckets = dict[str, Counter[int | str]]


@dataclass
class SecondCounts:
    """Everything since the last line of the record."""

    answers: Nested = field(default_factory=dict)
    outcomes: Nested = field(default_factory=dict)
    canaries: Nested = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)
    dns_failures: int = 0
    first_token_ms: Buckets = field(default_factory=lambda: defaultdict(Counter))
    completion_ms: Buckets = field(default_factory=lambda: defaultdict(Counter))
    first_token_error_ms: Counter[int] = field(default_factory=Counter)
    token_gap_ms: Buckets = field(default_factory=lambda: defaultdict(Counter))
    token_gap_ms_max: dict[str, float] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    loop_lag_ms: Counter[int] = field(default_factory=Counter)
    loop_lag_ms_max: float = 0.0


class Tally:
    """All counts of a shard. Every known region's series are at 0 from the start."""

    def __init__(
        self,
        regions: Iterable[str],
        first_token_edges_s: Sequence[float],
        completion_edges_s: Sequence[float],
    ) -> None:
        self.regions = (*sorted(set(regions) - {UNKNOWN}), UNKNOWN)
        self.attempts: Counter[tuple[str, str, str]] = Counter()
        self.answers: Counter[tuple[str, str, str]] = Counter()
        self.canaries: Counter[tuple[str, str]] = Counter()
        self.connections: Counter[str] = Counter()
        self.dns_answers: Counter[str] = Counter()
        self.dns_failures = 0
        self.resends: Counter[str] = Counter()
        self.dead_addresses: Counter[str] = Counter()
        self.streams_open: Counter[str] = Counter()
        self.short: Counter[str] = Counter()
        self.first_token: dict[str, Histogram] = {}
        self.completion: dict[str, Histogram] = {}
        self.lag = Histogram(LAG_EDGES_S)
        self.offered = 0
        self.late = 0
        self.second = SecondCounts()
        self._before: dict[str, Counter[Any]] = defaultdict(Counter)
        self._edges = (tuple(first_token_edges_s), tuple(completion_edges_s))
        for region in self.regions:
            self.know(region)

    def know(self, region: str) -> str:
        """Start a region's series at 0; return the region, or "unknown" once there are too many."""
        if region in self.first_token:
            return region
        if region not in self.regions:
            if len(self.regions) >= REGIONS_MAX:
                return UNKNOWN
            self.regions = (*self.regions, region)
        self.first_token[region] = Histogram(self._edges[0])
        self.completion[region] = Histogram(self._edges[1])
        for kind in KINDS:
            for outcome in OUTCOMES:
                self.attempts[region, outcome, kind] = 0
        for outcome in CANARY_OUTCOMES:
            self.canaries[region, outcome] = 0
        for counter in (
            self.connections, self.dns_answers, self.resends, self.streams_open, self.short,
            self.dead_addresses,
        ):  # fmt: skip
            counter[region] = 0
        return region

    def answer(self, region: str, code: str, kind: str) -> None:
        """The head arrived, or the attempt failed before it."""
        self.answers[region, code, kind] += 1

    def outcome(self, region: str, outcome: str, kind: str) -> None:
        """The attempt ended."""
        self.attempts[region, outcome, kind] += 1

    def canary(self, region: str, outcome: str) -> None:
        self.canaries[region, outcome] += 1

    def address_failed(self, region: str) -> None:
        """An address could not be connected to, and a second one is tried."""
        self.dead_addresses[region] += 1

    def connection(self, region: str) -> None:
        self.connections[region] += 1

    def first_token_came(self, region: str, after_s: float) -> None:
        self.first_token[region].observe(after_s)
        self.second.first_token_ms[region][bucket_index(after_s * 1000)] += 1

    def completed(self, region: str, after_s: float) -> None:
        self.completion[region].observe(after_s)
        self.second.completion_ms[region][bucket_index(after_s * 1000)] += 1

    def never_completed(self, region: str, age_s: float, *, first_token: bool) -> None:
        """A broken stream: over every threshold, also for a first token that never came."""
        self.completion[region].observe_never(age_s)
        self.second.completion_ms[region][NEVER] += 1
        if not first_token:
            self.first_token[region].observe_never(age_s)
            self.second.first_token_ms[region][NEVER] += 1

    def token_gap(self, region: str, gap_s: float) -> None:
        """Record the time between two generated deltas of one stream."""
        gap_ms = gap_s * 1000
        second = self.second
        second.token_gap_ms[region][bucket_index(gap_ms)] += 1
        if gap_ms > second.token_gap_ms_max.get(region, 0.0):
            second.token_gap_ms_max[region] = gap_ms

    def stalled(self, region: str, gap_s: float) -> None:
        """A stream ended, or was left, this long after its last token: no further token ended the
        gap.
        """
        gaps_ms = self.second.token_gap_ms_max
        gaps_ms[region] = max(gaps_ms.get(region, 0.0), gap_s * 1000)

    def was_short(self, region: str) -> None:
        """A complete stream was shorter than requested."""
        self.short[region] += 1

    def first_token_error(self, error_ms: float) -> None:
        self.second.first_token_error_ms[bucket_index(error_ms)] += 1

    def dns_failed(self) -> None:
        self.dns_failures += 1
        self.second.dns_failures += 1

    def lagged(self, lag_s: float) -> None:
        self.lag.observe(lag_s)
        second = self.second
        lag_ms = lag_s * 1000
        second.loop_lag_ms[bucket_index(lag_ms)] += 1
        if lag_ms > second.loop_lag_ms_max:
            second.loop_lag_ms_max = lag_ms

    def take_second(self) -> SecondCounts:
        """Return the counts since the last call."""
        taken, self.second = self.second, SecondCounts()
        taken.answers = _nested(self._risen("answers", self.answers).items())
        taken.outcomes = _nested(self._risen("outcomes", self.attempts).items())
        taken.canaries = _nested(self._risen("canaries", self.canaries).items())
        taken.connections = self._risen("connections", self.connections)
        taken.short = self._risen("short", self.short)
        return taken

    def _risen(self, name: str, now: Mapping[_Key, int]) -> dict[_Key, int]:
        """The counts of this second; frequent events are counted once, in the totals."""
        before = self._before[name]
        risen = {key: count - before[key] for key, count in now.items() if count != before[key]}
        before.update(risen)  # a Counter adds
        return risen


def _nested(counts: Iterable[tuple[tuple[str, ...], int]]) -> Nested:
    """Nest by region, then by the second part of the key."""
    found: Nested = {}
    for (region, what, *_), count in counts:
        found.setdefault(region, Counter())[what] += count
    return found
