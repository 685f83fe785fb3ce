"""Which lines of `samples.jsonl` hold a stretch of time, so that a reader finds a figure's samples.

A drill appends what it scraped, poll by poll, so the lines are nearly in order of time. The file is
read once for the first time of each block; only the blocks at the ends of a stretch are parsed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import orjson

BLOCK_LINES = 4000
_FIRST_TIME = re.compile(rb'^\{"i": ?\d+, ?"t": ?\[([0-9.]+)')


@dataclass(frozen=True)
class Block:
    """Lines `first` to `first + lines - 1` from byte `offset`; `t_s`: the first time in them."""

    offset: int
    size: int
    first: int
    t_s: float


@dataclass(frozen=True)
class LineIndex:
    """The blocks of a file in order."""

    path: Path
    blocks: tuple[Block, ...]

    def between(self, start_s: float, end_s: float) -> tuple[int, int] | None:
        """The first and last line (from 1) with a sample from `start_s` to `end_s`, or None."""
        inside = [i for i, block in enumerate(self.blocks) if block.t_s <= end_s]
        if not inside:
            return None
        # A chunk of a slow poll may stand a block later than its time asks for.
        last = min(inside[-1] + 1, len(self.blocks) - 1)
        early = [i for i in inside if self.blocks[i].t_s < start_s]
        first = max(0, (early[-1] if early else 0) - 1)
        low = self._edge(range(first, last + 1), start_s, end_s, last_line=False)
        high = self._edge(range(last, first - 1, -1), start_s, end_s, last_line=True)
        return None if low is None or high is None else (low, high)

    def _edge(self, order: range, start_s: float, end_s: float, *, last_line: bool) -> int | None:
        for i in order:
            block = self.blocks[i]
            with self.path.open("rb") as file:
                file.seek(block.offset)
                lines = file.read(block.size).splitlines()
            found = [
                block.first + n for n, line in enumerate(lines) if _holds(line, start_s, end_s)
            ]
            if found:
                return found[-1] if last_line else found[0]
        return None


def index_lines(path: Path) -> LineIndex | None:
    """The index of a samples file; None if it cannot be read or holds no sample."""
    blocks: list[Block] = []
    offset, number = 0, 1
    begun: tuple[int, int, float] | None = None
    try:
        with path.open("rb") as file:
            for line in file:
                if begun is None or number - begun[1] >= BLOCK_LINES:
                    found = _FIRST_TIME.match(line)
                    if found:
                        if begun is not None:
                            blocks.append(_block(begun, offset))
                        begun = (offset, number, float(found[1]))
                offset += len(line)
                number += 1
    except OSError:
        return None
    if begun is None:
        return None
    return LineIndex(path, (*blocks, _block(begun, offset)))


def _block(begun: tuple[int, int, float], end: int) -> Block:
    return Block(begun[0], end - begun[0], begun[1], begun[2])


def _holds(line: bytes, start_s: float, end_s: float) -> bool:
    try:
        times = orjson.loads(line)["t"]
        at = bisect_left(times, start_s)  # a line's times ascend
        return bool(at < len(times) and times[at] <= end_s)
    except (ValueError, KeyError, TypeError):
        return False
