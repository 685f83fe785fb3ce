"""Checks that each signal that the target names is exported in the form that the judge needs.

A misspelt metric, label or region leaves a hole, which is unknown at the end or, worse, looks as if
nothing had happened. Counted events must therefore be exported as 0 before the first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from muster.drill.sight.looking import Looking
from muster.platform.metrics import RawSeries, Reading, believed, read
from muster.targets.signals import SIGNALS_CLIENT, SIGNALS_DEFAULT

Labels = Mapping[str, str | float | None]
"""What a series must carry: a text, a histogram's edge as a number, or None for anything."""
LAZY = frozenset({"requests"})
"""Signals without series on a platform that has not answered anything yet; the load creates
them.
"""
SHARD, STREAMS = "shard", "client_streams"
ANYWHERE = ("region_ready", "gateway_health")
"""Signals that need no label for the region."""


def looked_at(session: Looking, signal: str, late_s_max: float | None = None) -> Reading:
    """The current series of a signal, or why it cannot be mapped. Raises MetricsError.

    `late_s_max`: how much later than its scrape a sample may appear; None: as the target says.
    """
    window_s = _window_s(session, late_s_max)
    return read(session.metrics, signal, session.target.signals[signal], window_s)


def _window_s(session: Looking, more_s: float | None = None) -> float:
    """How far back the current series reach, with samples that come late, in seconds."""
    prometheus = session.target.prometheus
    late_s = prometheus.delay_s if more_s is None else more_s
    return max(5.0, 5 * prometheus.scrape_interval_s) + late_s


def scraped_now(session: Looking, signal: str, late_s_max: float | None = None) -> list[RawSeries]:
    """The current series of a signal: mapped, or else its first selector's own. Raises
    MetricsError.

    Whether it can be mapped is another check's: what was scraped was scraped. `late_s_max` as in
    `looked_at`.
    """
    if found := looked_at(session, signal, late_s_max).series:
        return found
    how = session.target.signals[signal]
    selector = how if isinstance(how, str) else how.selectors[0]
    return session.metrics.raw(signal, selector, _window_s(session, late_s_max))


def fresh(session: Looking, signal: str) -> list[RawSeries]:
    """The current series of a signal. Raises MetricsError also if the signal is refused."""
    return believed(session.metrics, signal, session.target.signals[signal], _window_s(session))


def not_shown(session: Looking) -> str:
    """What the platform does not export of the signals that the target names, one line each, or
    nothing.
    """
    signals, regions = session.target.signals, tuple(session.target.regions)
    lines = []
    for signal, wanted in {**_wanted(session), **dict.fromkeys(ANYWHERE, ())}.items():
        if signal not in signals:
            continue
        reading = looked_at(session, signal)
        series = _known(reading.series)
        if reading.refused:
            lines.append(f"signals.{signal}: {reading.refused}")
        elif series or signal not in LAZY:
            why = f": {reading.lacking}" if reading.lacking else ""
            if lack := _lack(series, regions, wanted):
                lines.append(f"signals.{signal}: {signals[signal]} returns no series{lack}{why}")
    return "\n".join(lines)


def load_not_shown(session: Looking, parts: int = 0) -> str:
    """What Prometheus lacks of the running load, or of its `parts`; empty if nothing."""
    signals = session.target.signals
    for signal in (*SIGNALS_CLIENT, *SIGNALS_DEFAULT):
        wanted: Labels = {"component": "load"} if signal == "rig_lag" else {}
        if not any(_carries(one, wanted) for one in _known(fresh(session, signal))):
            return f"signals.{signal}: {signals[signal]} returns no series{_named(wanted)}"
    return _parts_not_shown(session, parts)


def _parts_not_shown(session: Looking, parts: int) -> str:
    """Which of the load's parts Prometheus does not have, by their label `shard`; empty if none.

    Of many parts, the figures of those that are scraped could look like those of all.
    """
    labels = (one.labels.get(SHARD, "") for one in _known(fresh(session, STREAMS)))
    found = {label for label in labels if label}
    lacks = [str(part) for part in range(parts) if str(part) not in found]
    if not lacks:
        return ""
    shown = ", ".join(lacks[:4]) + (", …" if len(lacks) > 4 else "")
    return f"signals.{STREAMS}: {len(lacks)} of {parts} parts are not in it: no {SHARD} {shown}"


def _wanted(session: Looking) -> dict[str, Sequence[Labels]]:
    """What a region must export of each signal."""
    contract, gate = session.plan.contract, session.plan.gate
    tiers = [contract.tiers[name] for name in {gate.tier, gate.tier_in_drill}]
    reasons = contract.triggers.hard_failure.reasons
    return {
        "requests": ({"code": None},),
        "streams_active": ({},),
        "streams_limit": ({},),
        "queue_age": ({},),
        "circuit_open": ({"route": contract.triggers.circuit_open.route},),
        "admission_failures": [{"reason": reason} for reason in reasons],
        "streams_broken": ({},),
        "open_over": [
            {"phase": phase, "le": float(getattr(tier, f"{phase}_p95_s_max"))}
            for tier in tiers
            for phase in ("first_token", "completion")
        ],
        "build_info": ({"version": None},),
    }


def _lack(series: Sequence[RawSeries], regions: Sequence[str], wanted: Sequence[Labels]) -> str:
    """Labels that a series must carry and none does, region by region; and the existing labels."""
    if not series:
        return " at all"
    for labels in wanted:
        for region in regions:
            if not any(_carries(one, {"region": region, **labels}) for one in series):
                return _named({"region": region, **labels}) + _instead(series, labels)
    return ""


def _known(series: Sequence[RawSeries]) -> list[RawSeries]:
    """The series whose last sample is a number: NaN shows nothing."""
    return [one for one in series if one.v and one.v[-1] is not None]


def _carries(series: RawSeries, wanted: Labels) -> bool:
    for name, value in wanted.items():
        found = series.labels.get(name, "")
        if isinstance(value, float):
            if _number(found) != value:
                return False
        elif not found or value not in (None, found):
            return False
    return True


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _named(labels: Labels) -> str:
    parts = [
        f"any {name}" if value is None else f'{name}="{value:g}"' if isinstance(value, float)
        else f'{name}="{value}"'
        for name, value in labels.items()
    ]  # fmt: skip
    return f" with {', '.join(parts)}" if parts else ""


def _instead(series: Sequence[RawSeries], wanted: Labels) -> str:
    """The labels that the series carry instead, so that a typing error is visible at once."""

    def found() -> Iterator[str]:
        for name in ("region", *wanted):
            values = sorted({one.labels.get(name, "") for one in series} - {""})
            shown = ", ".join(values[:4]) + (", …" if len(values) > 4 else "")
            yield f"{name} {shown}" if values else f"no {name}"

    return f" (the series have {'; '.join(found())})"
