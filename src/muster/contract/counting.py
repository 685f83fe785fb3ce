"""Shares judged by counting whole things against exact thresholds.

A share needs a smallest sample: with a tolerated share q of bad ones, fewer than 1/q say nothing,
unless so many are bad already that even the smallest sample filled up with good ones would fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, lgamma, log

from muster.contract.findings import Status


@dataclass(frozen=True)
class Count:
    """`bad` of `total`; None: unknown."""

    bad: float | None
    total: float | None

    @property
    def share_bad_pct(self) -> float | None:
        """Percent of bad ones; None without data."""
        if self.bad is None or not self.total:
            return None
        return 100.0 * self.bad / self.total


def smallest_sample(bad_max: Fraction) -> int:
    """How many are needed to show that at most a share `bad_max` is bad."""
    return 1 if bad_max == 0 else ceil(1 / bad_max)


def judge_share(count: Count, bad_max: Fraction) -> tuple[Status, str]:
    """(status, reason) of "at most `bad_max` of them are bad"."""
    if count.bad is None or count.total is None:
        return "unknown", "no data"
    bad, total = Fraction(round(count.bad)), Fraction(round(count.total))
    needed = smallest_sample(bad_max)
    if total < needed:
        if bad > bad_max * needed:
            return "fail", ""
        return "unknown", f"{total} samples, {needed} are needed to show it"
    return ("pass" if bad <= bad_max * total else "fail"), ""


def upper_bound_pct(bad: int, total: int, confidence: float = 0.95) -> float:
    """Exact (Clopper-Pearson) one-sided upper bound of the bad share, in percent.

    The largest share under which seeing `bad` or fewer still has probability 1 - confidence.
    """
    if total <= 0 or bad >= total:
        return 100.0
    low, high = bad / total, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(bad, total, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return 100.0 * high


def at_most(bad: int, total: int, share: float) -> float:
    """P(X <= bad) of a binomial: the regularised incomplete beta function I(1 - share)."""
    if share <= 0 or bad >= total:
        return 1.0
    if share >= 1:
        return 0.0
    a, b, x = total - bad, bad + 1, 1 - share
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(share))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, share) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1.0 + step * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + step / c
            c = c if abs(c) > tiny else tiny
            value *= d * c
        if abs(d * c - 1.0) < 1e-14:
            break
    return value
