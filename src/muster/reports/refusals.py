"""The platform's own texts when it refused the first requests, from the load's own record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

REFUSED = "refused"
"""The name of a refusal in a line of the load's record (`muster.load.refusals`)."""
SHOWN_MAX = 3
"""The most refusals shown for each status."""


@dataclass(frozen=True)
class Refusal:
    """An answer with an error status; `t_s` in seconds since the epoch."""

    t_s: float
    status: int
    region: str
    said: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Refusal:
        """Raises KeyError, TypeError or ValueError for anything else."""
        return cls(float(told["t"]), int(told["status"]), str(told["region"]), str(told["said"]))

    def __str__(self) -> str:
        return f"HTTP {self.status} from {self.region}: {self.said or '(no body)'}"


def first_refusals(bundle: Path) -> list[Refusal]:
    """The refusals in a bundle's load records, oldest first: at most SHOWN_MAX for each status."""
    found = sorted(
        (one for path in bundle.glob("load-[0-9]*.jsonl") for one in _in(path)),
        key=lambda one: one.t_s,
    )
    kept: Counter[int] = Counter()
    chosen = []
    for one in found:
        kept[one.status] += 1
        if kept[one.status] <= SHOWN_MAX:
            chosen.append(one)
    return chosen


def _in(path: Path) -> Iterator[Refusal]:
    sign = f'"{REFUSED}"'.encode()
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if sign not in line:
            continue
        try:
            told = orjson.loads(line)[REFUSED]
            yield from [Refusal.of(one) for one in told]
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
