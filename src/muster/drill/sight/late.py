"""How late the samples appear, measured before a drill, against what the target says.

A delay that the target does not name would have old samples judged as new ones. It is refused, with
the figure to set. What a scrape explains is no delay: the newest sample may be as old as a sample
may be to stand for a moment, by the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from muster.drill.sight.looking import Looking
from muster.drill.sight.shown import scraped_now
from muster.platform.metrics import RawSeries, newest_s
from muster.targets.prometheus import DELAY_S_MAX

AHEAD_S_MAX = 2.0
SIGNAL = "streams_limit"


def behind_s(session: Looking) -> float | None:
    """How old the newest sample is now, in seconds (negative: ahead of this machine's clock).

    Each region has a newest sample of its own, and the one that is farthest from now counts: one
    region's series do not make up for those of another. Looked for as far back as the longest
    delay that can be set; None: no sample. Raises MetricsError.
    """
    return age_s(session, scraped_now(session, SIGNAL, DELAY_S_MAX))


def age_s(session: Looking, series: Sequence[RawSeries]) -> float | None:
    """How old the newest of `series` is in the region where that is worst, in seconds; None: no
    sample.

    Series without a region of the target are taken together: that they lack one is another check's.
    """
    groups: dict[str, list[RawSeries]] = {}
    for one in series:
        region = one.labels.get("region", "")
        groups.setdefault(region if region in session.target.regions else "", []).append(one)
    newest = [found for group in groups.values() if (found := newest_s(group)) is not None]
    now_s = session.clock.now_s()
    return max((now_s - one for one in newest), key=abs, default=None)


def behind_s_max(session: Looking) -> float:
    """How old the newest sample may be: the target's delay, and what a scrape explains (s)."""
    access = session.target.prometheus
    gap_s = session.plan.contract.measurement.gap_s_max(access.scrape_interval_s)
    return access.delay_s + gap_s


def off(session: Looking, age: float) -> str:
    """Why samples whose newest is `age` seconds old are refused, and what to set; empty if not."""
    if age < -AHEAD_S_MAX:
        return f"the newest sample is {-age:.0f} s ahead of this machine's clock: set the clocks"
    most_s = behind_s_max(session)
    if age <= most_s:
        return ""
    delay_s = session.target.prometheus.delay_s
    return (
        f"the newest sample is {age:.1f} s old, over {most_s:g} s (prometheus.delay_s {delay_s:g} "
        f"and what a scrape explains): {_advice(age)}, prometheus.scrape_interval_s to the real "
        "interval, or the clocks"
    )


def _advice(age: float) -> str:
    """The figure to set: all of the age, because what a scrape explains varies."""
    figure = ceil(age)
    if figure > DELAY_S_MAX:
        return f"prometheus.delay_s can be {DELAY_S_MAX:g} at most; set the server up to ingest"
    return f"set prometheus.delay_s: {figure}"


def said(session: Looking, age: float) -> str:
    """The measured age beside what the target says, for console and table."""
    delay_s = session.target.prometheus.delay_s
    return f"{age:.1f} s old (prometheus.delay_s {delay_s:g}, {behind_s_max(session):g} s allowed)"
