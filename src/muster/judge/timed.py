"""Checks that a histogram timed what succeeded. One that stands still or times a part proves
nothing.

Each stream that succeeded had a first token and an end. For streams of a window either may lie
outside it, for as many as were open at its start or end. Any further difference means missing
requests.
"""

from __future__ import annotations

from fractions import Fraction

from muster.judge.agreement import sent_of, slack_of
from muster.samples.series import Samples
from muster.samples.windows import Window, at, total_growth


def untimed(
    samples: Samples, window: Window, timed: int | None, tolerance: Fraction, scrape_s: float
) -> str:
    """Why `timed` requests of `window` are not shown to be all of them; empty if they are.

    Without a load, as on past hours of real traffic, there is nothing to compare with.
    """
    attempts = samples.of("client_attempts")
    if timed is None or not attempts:
        return ""
    good = [one for one in attempts if one.labels.get("outcome") == "success"]
    succeeded = total_growth(good, window, siblings=attempts)
    sent = sent_of(samples, window, None)
    if succeeded is None or sent is None:
        return "the number of successful streams is unknown"
    elsewhere = max(_open(samples, window, t_s) for t_s in (window.start_s, window.end_s))
    slack = slack_of(samples, window, sent, scrape_s) + float(tolerance) * succeeded
    if timed >= succeeded - elsewhere - slack:
        return ""
    return f"{timed} requests were timed, but {succeeded:.0f} streams succeeded"


def _open(samples: Samples, window: Window, t_s: float) -> float:
    return sum(at(one, t_s, window.stale_s) or 0.0 for one in samples.of("client_streams"))
