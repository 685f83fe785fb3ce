"""What a drill cost its users, as values: attempts hurt, and error budgets burned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from muster.reports.lines import STREAM_CLASSES, Line


@dataclass(frozen=True)
class Hurt:
    """Attempts by what became of them. `slow` None: no limit of the first token is known."""

    attempts: float
    by_class: Mapping[str, float]
    slow: float | None
    gaps: int

    @property
    def rejected(self) -> float:
        """Attempts answered 429."""
        return self.by_class["429"]

    @property
    def failed(self) -> float:
        """Attempts that got no answer or an error."""
        return self.by_class["5xx"] + self.by_class["other 4xx"]

    @property
    def broken(self) -> float:
        """Streams that began and did not end as they should."""
        return sum(self.by_class[name] for name in STREAM_CLASSES)

    @property
    def share(self) -> float:
        """Share of the attempts that were hurt, 0 to 1."""
        hurt = self.rejected + self.failed + self.broken
        return min(1.0, hurt / self.attempts) if self.attempts else 0.0


@dataclass(frozen=True)
class Burn:
    """One budget. `spent` is the share spent up to each second (1: all of it), NaN in a gap."""

    slo: str
    title: str
    target: float
    tier: str
    spent: Line = field(compare=False)
    bad: float
    attempts: float
    gaps: int
    fastest: float
    fastest_t_s: float

    @property
    def share(self) -> float:
        """The share of the whole budget that was spent; over 1: more than is allowed."""
        known = self.spent.v[np.isfinite(self.spent.v)]
        return float(known[-1]) if len(known) else 0.0
