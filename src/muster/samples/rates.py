"""Rates and availability of a stretch of time, as counted by the client and by the server.

- An attempt succeeded if it was answered 2xx and its stream reached its proper end.
- 5xx: 5xx answers, and attempts refused, reset or timed out before headers.
- 429 belongs to neither. The denominator is all attempts except canaries.
- A server's answer is counted by its three-digit status code. One that is counted under anything
  else (`4xx`, `0`, none) could be any answer, so it makes the server's rates unknown.
- Availability is the share of canaries answered in time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from muster.samples.counting import Count
from muster.samples.series import Samples, Series
from muster.samples.windows import Window, total_growth

FAILED_5XX = frozenset({"http_5xx", "refused", "reset", "timeout"})
_STATUS = re.compile(r"[1-5]\d\d")
OUTCOMES_ALWAYS = ("success", "broken", "http_429", "http_4xx", *sorted(FAILED_5XX))
OUTCOMES = (*OUTCOMES_ALWAYS, "error_in_stream", "empty_stream")
CANARY_OUTCOMES_ALWAYS = (
    "answered",
    "unavailable_5xx",
    "unavailable_other",
    "unavailable_refused",
    "unavailable_reset",
    "unavailable_timeout",
)
CANARY_OUTCOMES = (
    *CANARY_OUTCOMES_ALWAYS,
    "unavailable_broken",
    "unavailable_empty_stream",
    "unavailable_error_in_stream",
    "unavailable_wrong_answer",
)
"""The outcomes that the load counts, each from the start; a test compares them with the load's own.

Evidence of a load that did not look into its streams has only those of `…_ALWAYS`.
"""


def is_status(code: str) -> bool:
    """Whether a label's value is an HTTP status: three digits, from 100 to 599."""
    return _STATUS.fullmatch(code) is not None


def client_counts(samples: Samples, window: Window) -> dict[str, Count]:
    """`success_2xx`, `rate_5xx`, `rate_429` from the load's own attempts, as counts of bad ones."""
    series = samples.of("client_attempts")
    total = total_growth(series, window)

    def bad(which: Callable[[str], bool]) -> float | None:
        return _part(series, window, lambda s: which(s.labels.get("outcome", "")))

    return {
        "success_2xx": Count(bad(lambda outcome: outcome != "success"), total),
        "rate_5xx": Count(bad(lambda outcome: outcome in FAILED_5XX), total),
        "rate_429": Count(bad(lambda outcome: outcome == "http_429"), total),
    }


def failed_by_name(samples: Samples, window: Window) -> str:
    """The outcomes of unsuccessful attempts, the most frequent first: `reset 3, …`."""
    series = samples.of("client_attempts")
    counts: dict[str, float] = {}
    for name in {one.labels.get("outcome", "") for one in series} - {"success"}:
        chosen = [one for one in series if one.labels.get("outcome") == name]
        counts[name] = total_growth(chosen, window, siblings=series) or 0.0
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:.0f}" for name, count in ranked if count)


def server_counts(samples: Samples, window: Window) -> dict[str, Count]:
    """The same three from the platform's requests; broken streams are not a success."""
    series = samples.of("requests")
    total = total_growth(series, window)
    if _part(series, window, lambda s: not is_status(s.labels.get("code", ""))):
        total = None

    def bad(which: Callable[[str], bool]) -> float | None:
        if total is None:
            return None
        return _part(series, window, lambda s: which(s.labels.get("code", "")))

    not_2xx = bad(lambda code: not code.startswith("2"))
    broken_series = samples.of("streams_broken")
    # A platform without the signal cannot count them: then the client's count decides.
    broken = total_growth(broken_series, window) if broken_series else 0.0
    no_success = None if not_2xx is None or broken is None else not_2xx + broken
    return {
        "success_2xx": Count(no_success, total),
        "rate_5xx": Count(bad(lambda code: code.startswith("5")), total),
        "rate_429": Count(bad(lambda code: code == "429"), total),
    }


def canary_count(samples: Samples, window: Window) -> Count:
    """Unanswered canaries, out of all canaries."""
    series = samples.of("client_canaries")
    total = total_growth(series, window)
    bad = _part(series, window, lambda s: s.labels.get("outcome") != "answered")
    return Count(bad, total)


def longest_without_canaries_s(samples: Samples, window: Window) -> float:
    """The longest time in `window` in which no canary ended, in seconds, by the scrapes."""
    moments = {window.start_s, window.end_s}
    for one in samples.of("client_canaries"):
        known = ~np.isnan(one.v)
        t, v = one.t[known], one.v[known]
        grew = t[1:][np.diff(v) > 0]
        inside = (grew >= window.start_s) & (grew <= window.end_s)
        moments.update(grew[inside].tolist())
    return max((b - a for a, b in pairwise(sorted(moments))), default=0.0)


def _part(series: Sequence[Series], window: Window, keep: Callable[[Series], bool]) -> float | None:
    """Growth of the series that pass `keep`; zero only if there are siblings but none of these."""
    chosen = [one for one in series if keep(one)]
    if not chosen:
        return 0.0 if series else None
    return total_growth(chosen, window, siblings=series)
