"""Planted defects of a gateway's metrics: half of its counts, or each worker's in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from muster.exposition import Histogram

WORKER_SHARES = (0.02, 0.5, 0.05, 0.43)
"""Shares of all requests; the least busy workers have hardly any."""


class Halved(Histogram):
    """Leaves out every second observation."""

    __slots__ = ("_counts",)

    def __init__(self, edges_s: Iterable[float]) -> None:
        super().__init__(edges_s)
        self._counts = False

    def observe(self, value_s: float) -> None:
        if self._counts_this():
            super().observe(value_s)

    def observe_never(self, value_s: float) -> None:
        if self._counts_this():
            super().observe_never(value_s)

    def _counts_this(self) -> bool:
        self._counts = not self._counts
        return self._counts


class Workers:
    """Several workers behind one /metrics: each scrape shows the counts of the next one."""

    def __init__(self) -> None:
        self.share = WORKER_SHARES[0]
        self._turn = 0

    def lines(self, out: list[str]) -> None:
        """Once a scrape, before the counts are written; adds nothing itself."""
        self.share = WORKER_SHARES[self._turn % len(WORKER_SHARES)]
        self._turn += 1

    def table(self, counts: Mapping[str, int]) -> Mapping[str, int]:
        """The counts of the worker whose turn it is."""
        return _Table(self, counts)

    def histogram(self, histogram: Histogram) -> Histogram:
        """The same for a histogram."""
        return _Shown(self, histogram)


class _Table(Mapping[str, int]):
    def __init__(self, workers: Workers, counts: Mapping[str, int]) -> None:
        self._workers = workers
        self._counts = counts

    def __getitem__(self, key: str) -> int:
        return int(self._counts[key] * self._workers.share)

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)


class _Shown(Histogram):
    """Reads another histogram, by the share of the worker whose turn it is."""

    __slots__ = ("_of", "_workers")

    def __init__(self, workers: Workers, of: Histogram) -> None:
        super().__init__(of.edges_s)
        self._workers = workers
        self._of = of

    def __getattribute__(self, name: str) -> object:
        if name == "cells":
            share = object.__getattribute__(self, "_workers").share
            return [int(cell * share) for cell in object.__getattribute__(self, "_of").cells]
        return object.__getattribute__(self, name)
