"""Arrivals and lengths from a recorded trace, in the Azure LLM trace's format.

`TIMESTAMP,ContextTokens,GeneratedTokens`, one request per line. Gaps keep their proportions and are
scaled to the profile's concurrency: arrivals are sped up, never a stream. A run longer than the
trace starts it again; a shorter one ends within it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from muster.errors import BadInput
from muster.load.schedule import Floats, Ints

_HEADER = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
_FRACTION = re.compile(r"\.(\d+)")
_LINES_MIN = 2
_TOKENS_MAX = 1_000_000
_CONTEXT_MAX = 10**9


class TraceSource:
    """A whole trace in memory: 24 bytes per request."""

    def __init__(self, path: Path) -> None:
        """Raises BadInput naming the invalid line."""
        seconds, tokens, contexts = _read(path)
        self.requests = len(tokens)
        span_s = seconds[-1] - seconds[0]
        if span_s <= 0:
            raise BadInput(
                path, "TIMESTAMP", "one TIMESTAMP in all lines", "arrivals over some time"
            )
        # The gap to the first request of the next round is a mean gap.
        self.span_s = span_s * self.requests / (self.requests - 1)
        self._times = (np.array(seconds) - seconds[0]) * (self.requests / self.span_s)
        self._tokens: Ints = np.array(tokens, dtype=np.int64)
        self._contexts: Ints = np.array(contexts, dtype=np.int64)
        self.mean_tokens = float(self._tokens.mean())
        self.tokens_max = float(self._tokens.max())

    def mean_context(self, tokens_max: int) -> float:
        """Mean tokens of a prompt, of which none has more than `tokens_max`."""
        return float(np.minimum(self._contexts, tokens_max).mean())

    def blocks(self) -> Iterator[tuple[Floats, Ints, Ints]]:
        start = 0.0
        while True:
            yield start + self._times, self._tokens, self._contexts
            start += self.requests


def _read(path: Path) -> tuple[list[float], list[int], list[int]]:
    seconds: list[float] = []
    tokens: list[int] = []
    contexts: list[int] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header != _HEADER:
                raise BadInput(path, "line 1", ",".join(header), ",".join(_HEADER))
            for row in rows:
                if not row:
                    continue
                where = f"line {rows.line_num}"
                at_s, context, size = _row(path, where, row)
                if seconds and at_s < seconds[-1]:
                    raise BadInput(path, where, row[0], "a TIMESTAMP not before the line above")
                seconds.append(at_s)
                tokens.append(size)
                contexts.append(context)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(path, "", why, "a readable CSV file") from error
    if len(tokens) < _LINES_MIN:
        raise BadInput(path, "", f"{len(tokens)} requests", f"{_LINES_MIN} requests or more")
    return seconds, tokens, contexts


def _row(path: Path, where: str, row: list[str]) -> tuple[float, int, int]:
    wanted = "a TIMESTAMP like 2023-11-16 18:17:03.9799600, and two whole numbers"
    if len(row) != len(_HEADER):
        raise BadInput(path, where, ",".join(row), wanted)
    try:
        fraction = _FRACTION.search(row[0])
        whole = datetime.fromisoformat(_FRACTION.sub("", row[0], count=1))
        context, size = int(row[1]), int(row[2])
    except ValueError as error:
        raise BadInput(path, where, ",".join(row), wanted) from error
    if not 0 <= context <= _CONTEXT_MAX:
        wanted = f"ContextTokens from 0 to {_CONTEXT_MAX}"
        raise BadInput(path, where, ",".join(row), wanted)
    if not 1 <= size <= _TOKENS_MAX:
        raise BadInput(path, where, ",".join(row), f"GeneratedTokens from 1 to {_TOKENS_MAX}")
    # Seconds with seven decimals are more than datetime holds.
    part_s = float(f"0.{fraction.group(1)}") if fraction else 0.0
    return (
        (whole - datetime(2000, 1, 1, tzinfo=whole.tzinfo)).total_seconds() + part_s,
        context,
        size,
    )
