"""Checks that the platform's figures are possible, before the load starts and again under load.

Some errors show only once there are answers: codes, and counters that decrease because several
workers answer a scrape in turn. The same check therefore runs after the ramp, and in the judge in
every phase.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence

from muster.drill.sight.looking import Looking
from muster.judge.oddities import COUNTERS, named
from muster.platform.metrics import RawSeries, read
from muster.samples.doubled import doubled_label, twin_label
from muster.samples.rates import is_status
from muster.samples.restarts import restarts_within
from muster.samples.series import COUNTED_APART, NAN, Series, series_of
from muster.targets.signals import SIGNALS_SERVER

logger = logging.getLogger("chaostoolkit")
LOOK_BACK_S = 60.0
LOOK_BACK_SCRAPES = 20
TIMED = ("first_token", "completion", "queue_age")
_UNIT = re.compile(r"(milliseconds|microseconds|nanoseconds|minutes|_seconds|_(?:ms|us|ns))(?:_|$)")
UNIT_OF = {
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
    "minutes": "min",
}
_GROUPED = re.compile(r"[1-5]xx", re.IGNORECASE)


def unsound(session: Looking) -> str:
    """What cannot be true of the platform's figures, one line for each signal; empty if nothing was
    found.
    """
    signals = session.target.signals
    lines = []
    scrape_s = session.target.prometheus.scrape_interval_s
    for signal in (name for name in SIGNALS_SERVER if name in signals):
        look_s = max(LOOK_BACK_S, LOOK_BACK_SCRAPES * scrape_s) + session.target.prometheus.delay_s
        how = signals[signal]
        reading = read(session.metrics, signal, how, look_s)
        series = reading.series
        wrong = reading.refused or twice(signal, series)
        if not wrong and signal in COUNTERS:
            stale_s = session.plan.contract.measurement.gap_s_max(scrape_s)
            wrong = sawtooth(signal, series, stale_s)
        if not wrong and signal in TIMED:
            wrong = other_unit(reading.names, "s" if isinstance(how, str) else how.unit)
        if not wrong and signal == "requests":
            wrong = without_status(series)
        if reading.refused:
            lines.append(f"signals.{signal}: {wrong}")
        elif wrong:
            lines.append(f"signals.{signal}: {how} {wrong}")
    return "\n".join(lines)


def twice(signal: str, series: Sequence[RawSeries]) -> str:
    """Which label makes one series appear twice."""
    found = doubled_label(one.labels for one in series)
    if found is None and signal in COUNTERS:
        rows = [
            ({**one.labels, "__name__": one.name}, value)
            for one in series
            if one.v and (value := one.v[-1]) is not None
        ]
        found = twin_label(rows, (*COUNTED_APART, "region", "__name__"))
    if found is None:
        return ""
    label, values = found
    return (
        f"has every series twice, by {label}: {', '.join(values)}. "
        f'Select one of them, as {label}="{values[0]}"'
    )


def sawtooth(signal: str, series: Sequence[RawSeries], stale_s: float) -> str:
    """Which counter decreases without a restart of its process."""
    kept = [_kept(signal, one) for one in series if one.t_s]
    if not kept:
        return ""
    start_s, end_s = min(one.t[0] for one in kept), max(one.t[-1] for one in kept)
    for process, found in restarts_within(kept, start_s, end_s, stale_s).items():
        if found.unexplained is not None:
            own = [one for one in kept if one.process == process]
            return (
                f"is not a counter: {named(own[found.unexplained.of])} {found.unexplained.said()}"
            )
    return ""


def other_unit(names: Iterable[str], unit: str) -> str:
    """Which metric's name says another unit than the target."""
    for name in sorted(names):
        said = named_unit(name)
        if said and UNIT_OF.get(said, said) != unit:
            wanted = f"unit: {UNIT_OF.get(said, said)} is needed"
            if unit == "s":
                wanted = f"seconds are needed, or {wanted}"
            return f"returns {name}, whose name says {said}: {wanted}"
    return ""


def named_unit(name: str) -> str:
    """The unit of time in a metric's name, in the name's own word; empty if none."""
    match = _UNIT.search(name.lower())
    return match.group(1).strip("_") if match else ""


def without_status(series: Sequence[RawSeries]) -> str:
    """Which answers are counted under a code that is not a three-digit status."""
    codes = {one.labels.get("code", "") for one in series}
    odd = sorted(code for code in codes if not is_status(code))
    statuses = codes - set(odd)
    if not odd:
        return ""
    if statuses and not any(_GROUPED.fullmatch(code) for code in odd):
        what = ", ".join(code or "none" for code in odd)
        logger.warning("preflight: requests with the code %s: unknown once one is counted", what)
        return ""
    return f"has no three-digit code, but {'; '.join(_labels_there(series))}"


def _labels_there(series: Sequence[RawSeries]) -> Iterator[str]:
    """Each label with some of its values, the likely ones first."""
    names = {name for one in series for name in one.labels}
    likely = ("code", "status", "status_code", "response_code", "http_status_code")
    for name in sorted(names, key=lambda name: (name not in likely, name))[:5]:
        values = sorted({one.labels.get(name, "") for one in series} - {""})
        yield f"{name} {', '.join(values[:4])}{', …' if len(values) > 4 else ''}"


def _kept(signal: str, raw: RawSeries) -> Series:
    points = zip(raw.t_s, (NAN if x is None else x for x in raw.v), strict=True)
    return series_of(signal, raw.name, raw.labels, points)
