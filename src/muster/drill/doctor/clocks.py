"""How far the clock of the samples is from this machine's.

Every sample bears the time of the server that scraped it. That server's clock is asked directly, so
that an old sample is not taken for a slow clock.
"""

from __future__ import annotations

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.sight.shown import scraped_now
from muster.drill.sight.sound import AHEAD_S_MAX
from muster.platform.metrics import MetricsError, newest_s

ASKED = "vector(time())"
ASKED_TIMES = 3
"""The quickest answer says it best."""
SIGNAL = "streams_limit"


def look(examined: Examined) -> Seen:
    """The server's time against ours, half the question's own length to and fro."""
    half_s, skew_s = min((_asked(examined) for _ in range(ASKED_TIMES)), key=lambda one: one[0])
    row: Row = {
        "clock of": "Prometheus",
        "ahead of this machine": f"{skew_s:+.2f} s",
        "known to": f"{half_s:.2f} s",
        "newest sample": _age(examined),
    }
    # What the question's own length could explain is no skew.
    sure_s = abs(skew_s) - half_s
    if sure_s <= AHEAD_S_MAX:
        return Seen((row,))
    side = "ahead of" if skew_s > 0 else "behind"
    text = (
        f"the clock of Prometheus is {abs(skew_s):.1f} s {side} this machine's, at most "
        f"{AHEAD_S_MAX:g} s can be: set the clocks"
    )
    return Seen((row,), refused=(text,))


def _asked(examined: Examined) -> tuple[float, float]:
    """Half the question's length, and the server's time less ours in the middle of it, in seconds.

    Of several servers the one that is furthest off. Raises MetricsError.
    """
    clock = examined.clock
    began_s, before_s = clock.monotonic_s(), clock.now_s()
    answers = examined.metrics.instant(ASKED)
    half_s = (clock.monotonic_s() - began_s) / 2
    times = [value for _, value in answers if value is not None]
    if not times:
        raise MetricsError(f"{examined.metrics.url}: no time answers to {ASKED}")
    return half_s, max((value - (before_s + half_s) for value in times), key=abs)


def _age(examined: Examined) -> str:
    newest = newest_s(scraped_now(examined, SIGNAL))
    if newest is None:
        return f"none of {SIGNAL}"
    return f"{examined.clock.now_s() - newest:.1f} s old"
