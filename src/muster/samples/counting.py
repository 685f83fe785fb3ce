"""Judges shares by counting events against exact thresholds.

A share needs a smallest sample. If the tolerated share of bad events is q, fewer than 1/q events
decide nothing, unless so many are bad that even the smallest sample, filled up with good events,
would fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, lgamma, log, log1p
from typing import Literal

Status = Literal["pass", "fail", "unknown", "not_judged", "declared"]
"""The possible statuses; `not_judged` is for what was never requested from the platform, `declared`
for what depends on a signal that the target declares none.
"""


@dataclass(frozen=True)
class Count:
    """`bad` of `total`; None: unknown."""

    bad: float | None
    total: float | None

    @property
    def share_bad_pct(self) -> float | None:
        """Percentage of bad events; None without data."""
        if self.bad is None or not self.total:
            return None
        return 100.0 * self.bad / self.total

    def without_good(self, others: float) -> Count:
        """This count without `others`, none of which is taken to be bad."""
        if self.total is None:
            return self
        return Count(self.bad, max(self.total - others, self.bad or 0.0))


def smallest_sample(bad_max: Fraction) -> int:
    """How many events are needed to show that the share of bad ones is at most `bad_max`."""
    return 1 if bad_max == 0 else ceil(1 / bad_max)


def judge_share(count: Count, bad_max: Fraction) -> tuple[Status, str]:
    """(status, reason) for the claim "at most `bad_max` of them are bad"."""
    if count.bad is None or count.total is None:
        return "unknown", "no data"
    bad, total = Fraction(round(count.bad)), Fraction(round(count.total))
    needed = smallest_sample(bad_max)
    if total < needed:
        if bad > bad_max * needed:
            return "fail", ""
        return "unknown", f"{total} samples, at least {needed} are needed to decide"
    return ("pass" if bad <= bad_max * total else "fail"), ""


def upper_bound_pct(bad: int, total: int, confidence: float = 0.95) -> float:
    """Exact (Clopper-Pearson) one-sided upper bound of the share of bad events, in percent.

    It is the largest share at which `bad` or fewer still have probability 1 - confidence.
    """
    if bad >= total:
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
    """P(X <= bad) of a binomial, for bad < total and bad / total <= share < 1.

    Downwards from there the terms only get smaller, so they are summed until they add nothing.
    """
    chosen = lgamma(total + 1) - lgamma(bad + 1) - lgamma(total - bad + 1)
    term = exp(chosen + bad * log(share) + (total - bad) * log1p(-share))
    summed = 0.0
    while term > 1e-17 * summed:
        summed += term
        term *= bad * (1 - share) / ((total - bad + 1) * share)
        bad -= 1
    return summed
