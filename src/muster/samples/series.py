"""Samples as they were scraped, stored in a bundle and read back: one list of series.

`samples.jsonl` names each series once and then appends chunks of (scrape time, value). Times are
the scrapes' own, in seconds since the epoch. A value that was NaN is null and reads as NaN, which
is unknown and never zero. Order and duplicates in the file do not matter: reading sorts by time and
keeps one sample for each time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from muster.errors import BadInput
from muster.jsonl import LogLost

Array = npt.NDArray[np.float64]
NAN = float("nan")
BLOCK_BYTES = 1 << 20
_CHUNK, _HEAD = b'{"i":', b'{"series":'
COUNTED_APART = frozenset({"code", "kind", "le", "outcome", "phase", "reason", "route"})
"""Labels by which one process counts separately; all other labels tell processes apart."""
REFUSED = "refused"
"""Muster's own signal: another one (label `signal`) could not be mapped; label `why` has the
reason.
"""
Process = frozenset[tuple[str, str]]


def process_of(labels: Mapping[str, str]) -> Process:
    """The labels that all counters of one process have in common."""
    return frozenset((k, v) for k, v in labels.items() if k not in COUNTED_APART)


@dataclass(frozen=True)
class Series:
    """One series: `t` ascending scrape times (s), `v` values (NaN: unknown), same length."""

    signal: str
    name: str
    labels: Mapping[str, str]
    t: Array
    v: Array

    @property
    def region(self) -> str:
        """Its region; empty when it has none."""
        return self.labels.get("region", "")

    @property
    def owner(self) -> tuple[str, str]:
        """The process that exports it: (region, instance)."""
        return self.region, self.labels.get("instance", "")

    @cached_property
    def process(self) -> Process:
        """The labels that its process's counters have in common."""
        return process_of(self.labels)

    @cached_property
    def first_s(self) -> float:
        """When it was first scraped; infinite if never."""
        return float(self.t[0]) if len(self.t) else float("inf")

    @cached_property
    def _falls(self) -> list[float]:
        """Times of the samples whose value was less than that of the sample before, ascending."""
        known = ~np.isnan(self.v)
        t, v = self.t[known], self.v[known]
        times: list[float] = t[np.flatnonzero(np.diff(v) < 0) + 1].tolist()
        return times

    def fell_within(self, start_s: float, end_s: float) -> bool:
        """Whether it fell after the last sample at or before `start_s`, and by `end_s`."""
        falls = self._falls
        # Nearly every series never falls, and each judgement asks for all of them.
        return bool(falls) and bisect_right(falls, end_s) > bisect_right(falls, start_s)


@dataclass(frozen=True)
class Samples:
    """Every series of a bundle by signal."""

    by_signal: Mapping[str, tuple[Series, ...]]
    torn: bool = False

    def of(self, signal: str, name_end: str = "", **labels: str) -> tuple[Series, ...]:
        """The series of `signal` whose metric name ends in `name_end`, with those labels."""
        return tuple(
            series
            for series in self.by_signal.get(signal, ())
            if series.name.endswith(name_end)
            and all(series.labels.get(key) == value for key, value in labels.items())
        )

    def scrapes(self, signal: str, start_s: float, end_s: float) -> int:
        """The largest number of scrapes of any series of `signal` within the times given."""
        counts = [
            int(s.t.searchsorted(end_s, "right") - s.t.searchsorted(start_s, "left"))
            for s in self.by_signal.get(signal, ())
        ]
        return max(counts, default=0)


@dataclass
class SampleWriter:
    """Appends to a bundle's `samples.jsonl`. Not for several threads at once."""

    path: Path
    _numbers: dict[tuple[str, str, tuple[tuple[str, str], ...]], int] = field(default_factory=dict)

    def append(
        self,
        signal: str,
        name: str,
        labels: Mapping[str, str],
        t_s: Sequence[float],
        v: Sequence[float | None],
    ) -> None:
        """Keep one chunk of one series."""
        self.extend([(signal, name, labels, t_s, v)])

    def extend(
        self,
        chunks: Iterable[
            tuple[str, str, Mapping[str, str], Sequence[float], Sequence[float | None]]
        ],
    ) -> None:
        """Write chunks in one call. Raises LogLost if the disk refuses them."""
        lines: list[bytes] = []
        for signal, name, labels, t_s, v in chunks:
            key = (signal, name, tuple(sorted(labels.items())))
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = len(self._numbers)
                head = {"series": number, "signal": signal, "name": name, "labels": dict(labels)}
                lines.append(orjson.dumps(head))
            lines.append(orjson.dumps({"i": number, "t": list(t_s), "v": list(v)}))
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
        except OSError as error:
            raise LogLost(f"{self.path}: {error.strerror or error}") from error


def read_samples(path: Path, signals: frozenset[str] | None = None) -> Samples:
    """The samples at `path`; `torn` if a line is cut off or invalid.

    `signals`: only these are kept, and most lines of the others are not even parsed. Raises
    BadInput if the file cannot be read.
    """
    reading = _Reading(signals)
    try:
        with path.open("rb") as file:
            # Read in blocks: one call per line would be half of the cost of a long drill's millions
            # of lines.
            while lines := file.readlines(BLOCK_BYTES):
                reading.take(lines)
    except OSError as error:
        raise BadInput(path, "", error.strerror, "a bundle's samples") from error
    return reading.finished()


@dataclass
class _Reading:
    """Series while they grow; plain C arrays of doubles, because most chunks hold one or two
    samples.
    """

    signals: frozenset[str] | None = None
    heads: dict[int, tuple[str, str, dict[str, str]]] = field(default_factory=dict)
    times: dict[int, array[float]] = field(default_factory=dict)
    values: dict[int, array[float]] = field(default_factory=dict)
    passed_over: set[int] = field(default_factory=set)
    passed_over_text: set[bytes] = field(default_factory=set)
    torn: bool = False

    def take(self, lines: list[bytes]) -> None:
        """Add whole lines; an invalid one is left out and makes the reading torn."""
        if not lines[-1].endswith(b"\n"):
            self.torn = True
        if self.signals is not None:
            lines = self._chosen(lines)
        try:
            records = orjson.loads(b"[" + b",".join(lines) + b"]")
        except ValueError:
            records = []
            for line in lines:
                try:
                    records.append(orjson.loads(line))
                except ValueError:
                    self.torn = True
        times, values = self.times, self.values
        for record in records:
            try:
                number, t, v = record["i"], record["t"], record["v"]
                if len(t) != len(v):
                    raise ValueError("times and values differ in number")
                held = values[number]
                held.fromlist([NAN if x is None else x for x in v] if None in v else v)
                try:
                    times[number].fromlist(t)
                except TypeError:
                    del held[len(held) - len(v) :]
                    raise
            except (KeyError, TypeError, ValueError):
                self._head(record)

    def _chosen(self, lines: list[bytes]) -> list[bytes]:
        """The lines without the chunks of series that are passed over, as a drill writes them."""
        kept = []
        for line in lines:
            if line.startswith(_CHUNK):
                if line[len(_CHUNK) : line.find(b",")] in self.passed_over_text:
                    continue
            elif line.startswith(_HEAD):
                try:
                    self._head(orjson.loads(line))
                except ValueError:
                    self.torn = True
                continue
            kept.append(line)
        return kept

    def _head(self, record: Any) -> None:
        """Add the line that names a series; anything else is invalid here."""
        try:
            if record.get("i") in self.passed_over:
                return
            number = record["series"]
            if self.signals is not None and record["signal"] not in self.signals:
                self.passed_over.add(number)
                self.passed_over_text.add(b"%d" % number)
                return
            labels = {str(k): str(v) for k, v in record["labels"].items()}
            self.heads[number] = (str(record["signal"]), str(record["name"]), labels)
            self.times.setdefault(number, array("d"))
            self.values.setdefault(number, array("d"))
        except (KeyError, TypeError, AttributeError):
            self.torn = True

    def finished(self) -> Samples:
        """Everything read, by signal; what was kept while reading is released series by series."""
        found: dict[str, list[Series]] = {}
        for number, (signal, name, labels) in self.heads.items():
            t = np.frombuffer(self.times.pop(number), dtype=np.float64)
            v = np.frombuffer(self.values.pop(number), dtype=np.float64)
            if len(t):
                found.setdefault(signal, []).append(Series(signal, name, labels, *_ordered(t, v)))
        return Samples({signal: tuple(series) for signal, series in found.items()}, self.torn)


def series_of(
    signal: str, name: str, labels: Mapping[str, str], points: Iterable[tuple[float, float]]
) -> Series:
    """A series from (time, value) points in any order."""
    pairs = list(points)
    t = np.array([t for t, _ in pairs], dtype=np.float64)
    v = np.array([v for _, v in pairs], dtype=np.float64)
    return Series(signal, name, labels, *_ordered(t, v))


def _ordered(t: Array, v: Array) -> tuple[Array, Array]:
    """Sorted by time; of samples with the same time the first one is kept."""
    if len(t) < 2 or bool(np.all(np.diff(t) > 0)):
        return t, v
    unique, index = np.unique(t, return_index=True)
    return unique, v[index]
