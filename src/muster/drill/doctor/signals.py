"""Shows the present value, unit, labels and processes of each signal.

The checks of preflight decide whether a signal is sufficient; this table shows what they read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen, plain
from muster.drill.sight.edges import thresholds_of
from muster.drill.sight.shown import looked_at
from muster.drill.sight.sound import UNIT_OF, named_unit
from muster.errors import MusterError
from muster.platform.metrics import RawSeries, Reading
from muster.samples.histograms import edge_of, wrong_unit
from muster.targets.signals import HISTOGRAMS, SIGNALS_OPTIONAL, SIGNALS_SERVER, TIMED, Signal

LABELS_SHOWN_MAX = 4
VALUES_SHOWN_MAX = 3


def look(examined: Examined) -> Seen:
    """One row for each platform signal that the target maps or declares as missing."""
    target = examined.target
    own = [name for name in target.signals if name.startswith("x_")]
    rows: list[Row] = []
    unread: list[str] = []
    for signal in (*SIGNALS_SERVER, *SIGNALS_OPTIONAL, *own):
        if signal in target.declared:
            rows.append(_bare(signal, f"declared none: {target.declared[signal]}"))
        elif signal in target.signals:
            try:
                reading = looked_at(examined, signal)
            except MusterError as error:
                unread.append(str(error))
                rows.append(_bare(signal, "not read"))
                continue
            rows.append(_row(examined, signal, target.signals[signal], reading))
    return Seen(tuple(rows), refused=tuple(dict.fromkeys(unread)))


def _row(examined: Examined, signal: str, how: Signal, reading: Reading) -> Row:
    if reading.refused:
        return _bare(signal, plain(f"refused: {reading.refused}", 100))
    known = [one for one in reading.series if one.v and one.v[-1] is not None]
    if not known:
        return _bare(signal, "no series" if not reading.series else "no number")
    edges = _edges(known) if signal in HISTOGRAMS else []
    return {
        "signal": signal,
        "value": _value(signal, known),
        "unit": _unit(signal, how, reading, edges),
        "series": str(len(known)),
        "processes": _processes(known),
        "labels": _labels(known),
        "missing edges": _missing(examined, signal, edges),
    }


def _bare(signal: str, said: str) -> Row:
    row = dict.fromkeys(("unit", "series", "processes", "labels", "missing edges"), "-")
    return {"signal": signal, "value": said, **row}


def _value(signal: str, known: Sequence[RawSeries]) -> str:
    """The newest value of the largest series; for a histogram, its count."""
    counts = [one for one in known if one.labels.get("le") == "+Inf"]
    shown = counts if signal in HISTOGRAMS and counts else known
    largest = max(shown, key=lambda one: one.v[-1] or 0.0)
    value = f"{largest.v[-1]:g}"
    return f"{value} observed" if signal in HISTOGRAMS else value


def _unit(signal: str, how: Signal, reading: Reading, edges: Sequence[float]) -> str:
    """The unit by the metric's name, else by its bucket edges, else as the target maps it."""
    if signal not in TIMED:
        return "-"
    named = sorted({UNIT_OF.get(u, u) for one in reading.names if (u := named_unit(one))})
    if named:
        return f"{', '.join(named)} by name"
    if edges and wrong_unit(edges[-1]):
        return "not seconds, by its edges"
    return f"{'s' if isinstance(how, str) else how.unit}, by the target"


def _processes(known: Sequence[RawSeries]) -> str:
    """The number of processes that export it, and the instance label of one."""
    owners = {(one.labels.get("region", ""), one.labels.get("instance", "")) for one in known}
    named = sorted(instance for _, instance in owners if instance)
    if not named:
        return f"{len(owners)}, no label instance"
    return f"{len(owners)}, e.g. {plain(named[0], 30)}"


def _labels(known: Sequence[RawSeries]) -> str:
    values: dict[str, set[str]] = {}
    for one in known:
        for name, text in one.labels.items():
            if name not in ("le", "instance"):
                values.setdefault(name, set()).add(text)
    # The labels that Muster reads come first.
    first = ("region", "code", "route", "reason", "phase", "version")
    names = sorted(values, key=lambda name: (first.index(name) if name in first else 99, name))
    shown = [_values(name, values) for name in names[:LABELS_SHOWN_MAX]]
    more = len(names) - len(shown)
    return plain("; ".join(shown) + (f"; {more} more" if more > 0 else ""), 80) or "none"


def _values(name: str, values: Mapping[str, set[str]]) -> str:
    every = sorted(values[name])
    more = ", …" if len(every) > VALUES_SHOWN_MAX else ""
    return f"{name} {', '.join(every[:VALUES_SHOWN_MAX])}{more}"


def _edges(known: Sequence[RawSeries]) -> list[float]:
    """The finite edges, ascending."""
    texts = {le for one in known if (le := one.labels.get("le")) is not None}
    return sorted(e for text in texts if (e := edge_of(text)) is not None and isfinite(e))


def _missing(examined: Examined, signal: str, edges: Sequence[float]) -> str:
    if signal not in HISTOGRAMS:
        return "-"
    lacking = sorted(thresholds_of(examined.plan.contract, signal) - set(edges))
    return ", ".join(f"{edge:g} s" for edge in lacking) or "none"
