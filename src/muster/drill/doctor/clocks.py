"""Compares the clock of the Prometheus server with the clock of this machine.

Every sample has the timestamp of the server that scraped it. The check queries that server's clock
directly, so an old sample does not look like a slow clock.
"""

from __future__ import annotations

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.sight import late
from muster.drill.sight.late import AHEAD_S_MAX
from muster.platform.metrics import MetricsError

ASKED = "vector(time())"
ASKED_TIMES = 3
"""Queries; the fastest answer is the most accurate."""


def look(examined: Examined) -> Seen:
    """Compare the two clocks; the error is at most half the duration of the query."""
    half_s, skew_s = min((_asked(examined) for _ in range(ASKED_TIMES)), key=lambda one: one[0])
    row: Row = {
        "clock of": "Prometheus",
        "ahead of this machine": f"{skew_s:+.2f} s",
        "accuracy": f"{half_s:.2f} s",
        "newest sample": _age(examined),
    }
    # A difference that the duration of the query could explain is not a clock error.
    sure_s = abs(skew_s) - half_s
    if sure_s <= AHEAD_S_MAX:
        return Seen((row,))
    side = "ahead of" if skew_s > 0 else "behind"
    text = (
        f"the clock of Prometheus is {abs(skew_s):.1f} s {side} this machine's; at most "
        f"{AHEAD_S_MAX:g} s are allowed: synchronise the clocks"
    )
    return Seen((row,), refused=(text,))


def _asked(examined: Examined) -> tuple[float, float]:
    """Half the duration of the query, and server time minus local time at its middle, in seconds.

    With several servers, the largest difference. Raises MetricsError.
    """
    clock = examined.clock
    began_s, before_s = clock.monotonic_s(), clock.now_s()
    answers = examined.metrics.instant(ASKED)
    half_s = (clock.monotonic_s() - began_s) / 2
    times = [value for _, value in answers if value is not None]
    if not times:
        raise MetricsError(f"{examined.metrics.url}: no value for the query {ASKED}")
    return half_s, max((value - (before_s + half_s) for value in times), key=abs)


def _age(examined: Examined) -> str:
    age = late.behind_s(examined)
    return f"no sample of {late.SIGNAL}" if age is None else late.said(examined, age)
