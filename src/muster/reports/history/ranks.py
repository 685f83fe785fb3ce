"""Mann-Whitney's U test on counted values: does one sample tend to higher values than the other?

Samples are histograms over the same ordered buckets, so nearly every value is tied; the variance
has the correction for ties. The normal approximation holds, because streams come by the hundred.
Mann & Whitney, "On a test of whether one of two random variables is stochastically larger than the
other", 1947; the effect size is that of Vargha & Delaney, 2000. For two buckets (hurt or not) it is
the test of two proportions.

Streams of one drill are not independent of each other: a bad second hurts many of them. The p-value
is therefore too small, and never decides alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

SAMPLES_MIN = 20
"""With fewer values in either sample the normal approximation says nothing."""


@dataclass(frozen=True)
class RankTest:
    """`p`: two-sided probability of such a difference by chance. `superiority`: the probability
    that a value of the second sample is higher than one of the first (ties count half)."""

    p: float
    superiority: float
    before: int
    after: int


def rank_test(before: Mapping[float, float], after: Mapping[float, float]) -> RankTest | None:
    """Compare two samples, each as count by value; None if either is too small."""
    n, m = sum(before.values()), sum(after.values())
    if min(n, m) < SAMPLES_MIN:
        return None
    u = below = ties = 0.0
    for value in sorted({*before, *after}):
        a, b = before.get(value, 0.0), after.get(value, 0.0)
        u += b * (below + a / 2)
        below += a
        ties += (a + b) ** 3 - (a + b)
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    superiority = u / (n * m)
    # All values alike: no difference at all.
    z = (u - n * m / 2) / math.sqrt(variance) if variance > 1e-9 else 0.0
    return RankTest(math.erfc(abs(z) / math.sqrt(2)), superiority, round(n), round(m))
