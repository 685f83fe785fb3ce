"""When requests arrive and how long each one is: one sequence from one seed, fixed before the run.

Arrivals are open: Poisson at concurrency / mean stream length (Little's law), never adjusted to the
platform's behaviour. The ramp is a change of time, so it drops no arrival. Shard k of n takes
arrivals k, k + n, k + 2n, ...: together the shards offer exactly what one process would offer. A
run of known length contains all arrivals before its end, however late a process is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from muster.load.traffic import Traffic

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RAMP_STREAMS_PER_S_MAX = 150
"""Every new stream of a ramp opens connections; a ramp faster than this is made longer."""
_BLOCK = 4096


class Arrival(NamedTuple):
    """One request, sent `at_s` after the start, for `tokens` tokens; `draw` is in [0, 1).

    `context`: tokens of its prompt, by the trace; 0: nothing says it.
    """

    number: int
    at_s: float
    tokens: int
    draw: float
    context: int = 0


class Source(Protocol):
    """Arrivals in operational time: on average one per unit."""

    mean_tokens: float
    tokens_max: float

    def blocks(self) -> Iterator[tuple[Floats, Ints, Ints]]:
        """Yield (rising operational times, tokens, tokens of the prompts), without end."""


def streams(seed: int, purpose: int, shard: int = 0) -> np.random.Generator:
    """An independent generator for one purpose: 0 arrivals, 1 lengths, 2 choices, 3 backoff."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, shard)))


class PoissonSource:
    """Exponential gaps; lengths drawn from the profile's quantiles, interpolated linearly."""

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self.mean_tokens = traffic.mean_tokens
        self.tokens_max = traffic.tokens_quantiles[-1][1]
        self._shares = np.array([share for share, _ in traffic.tokens_quantiles])
        self._tokens = np.array([tokens for _, tokens in traffic.tokens_quantiles])
        self._seed = seed

    def blocks(self) -> Iterator[tuple[Floats, Ints, Ints]]:
        nothing_said = np.zeros(_BLOCK, dtype=np.int64)
        gaps = streams(self._seed, 0)
        lengths = streams(self._seed, 1)
        end = 0.0
        while True:
            times = end + np.cumsum(gaps.standard_exponential(_BLOCK))
            end = float(times[-1])
            drawn = np.interp(lengths.random(_BLOCK), self._shares, self._tokens)
            yield times, np.maximum(1, np.rint(drawn)).astype(np.int64), nothing_said


class Ramp:
    """Operational time to seconds: the rate rises linearly for `ramp_s`, then holds."""

    def __init__(self, rate_per_s: float, ramp_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.ramp_s = ramp_s

    def seconds(self, operational: Floats) -> Floats:
        """The times at which operational time reaches each of the given values."""
        if self.ramp_s <= 0:
            return operational / self.rate_per_s
        climbed = self.rate_per_s * self.ramp_s / 2
        climbing = np.sqrt(2 * operational * self.ramp_s / self.rate_per_s)
        return np.where(
            operational < climbed, climbing, operational / self.rate_per_s + self.ramp_s / 2
        )

    def expected(self, at_s: float) -> float:
        """Arrivals expected by `at_s`."""
        if at_s <= 0:
            return 0.0
        if at_s < self.ramp_s:
            return self.rate_per_s * at_s**2 / (2 * self.ramp_s)
        return self.rate_per_s * (at_s - self.ramp_s / 2)


def ramp_seconds(ramp_s: float, streams: float) -> float:
    """How long `streams` take to ramp: `ramp_s`, or longer if there are many; 0 stays 0."""
    return max(ramp_s, streams / RAMP_STREAMS_PER_S_MAX) if ramp_s else 0.0


class Schedule:
    """The arrivals of one shard, in order."""

    def __init__(
        self,
        traffic: Traffic,
        *,
        scale: float,
        seed: int,
        shard: int = 0,
        shards: int = 1,
        source: Source | None = None,
        until_s: float = math.inf,
    ) -> None:
        self.source: Source = source or PoissonSource(traffic, seed)
        self.streams_target = traffic.streams * scale / shards
        mean_s = traffic.first_token_s_mean + self.source.mean_tokens / traffic.tokens_per_s
        streams = traffic.streams * scale
        self.ramp = Ramp(streams / mean_s, ramp_seconds(traffic.ramp_s, streams))
        self._seed = seed
        self._shard = shard
        self._shards = shards
        self._until_s = until_s

    def __iter__(self) -> Iterator[Arrival]:
        """In order; with `until_s`, the last one never comes: its `at_s` is infinite."""
        draws = streams(self._seed, 2)
        first = 0
        for operational, tokens, contexts in self.source.blocks():
            length = len(operational)
            at_s = self.ramp.seconds(operational)
            draw = draws.random(length)
            skip = (self._shard - first) % self._shards
            end = int(np.searchsorted(at_s, self._until_s))
            picked = slice(skip, end, self._shards)
            numbers = range(first + skip, first + end, self._shards)
            for number, when, size, chance, context in zip(
                numbers,
                at_s[picked].tolist(),
                tokens[picked].tolist(),
                draw[picked].tolist(),
                contexts[picked].tolist(),
                strict=True,
            ):
                yield Arrival(number, when, size, chance, context)
            first += length
            if end < length:
                yield Arrival(first, math.inf, 0, 0.0)
                return


def canary_times(rate_per_s: float, shard: int = 0, shards: int = 1) -> Iterator[float]:
    """Seconds after the start at which one shard sends its canaries: one steady beat over all
    shards.
    """
    if rate_per_s <= 0:
        return
    for number in count(shard, shards):
        yield number / rate_per_s
