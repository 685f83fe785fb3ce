"""What all charts of a report share: axis, phases, marks, styles, limits, gaps. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from muster.reports import lines as ln
from muster.reports.chart_model import (
    MUTED,
    SOLID,
    Axis,
    Chart,
    Level,
    NumberedMark,
    Span,
    Stroke,
    region_styles,
)
from muster.reports.evidence import Evidence
from muster.reports.lines import Line
from muster.reports.model import View

_TITLE_MAX = 150


class Frame:
    """The evidence with the axis that its charts share."""

    def __init__(self, evidence: Evidence, view: View) -> None:
        self.evidence = evidence
        self.view = view
        load = evidence.load
        start = view.start_s if view.start_s is not None else (load.start_s if load else 0.0)
        end = view.end_s if view.end_s is not None else (load.start_s + load.length if load else 0)
        self.start_s = start
        self.end_s = max(end, start + 1.0)
        stop = [m.t_s for m in view.moments if m.label == "Decision"]
        # A phase whose end nobody recorded was over at the latest when the drill was stopped.
        open_end = stop[-1] if stop else self.end_s
        spans = []
        for phase in view.phases:
            if phase.start_s is not None:
                last = max(open_end, phase.start_s) if phase.end_s is None else phase.end_s
                last = min(last, self.end_s) - start
                spans.append(Span(phase.name, max(0.0, phase.start_s - start), last))
        inside = [m for m in view.marks if start <= m.t_s <= self.end_s]
        marks = [
            NumberedMark(i, m.t_s - start, m.label, m.kind) for i, m in enumerate(inside, start=1)
        ]
        self.axis = Axis(start, self.end_s - start, tuple(spans), tuple(marks))
        regions = sorted({*view.regions, *(load.regions if load else ())})
        self.styles = region_styles(regions, view.evacuated)

    def span(self, phase: str) -> tuple[float, float] | None:
        """Begin and end of a phase in seconds since the start; None: the ledger has no such."""
        return next(((s.start, s.end) for s in self.axis.spans if s.name == phase), None)

    def phase_at(self, t: float) -> str:
        """The phase at `t` seconds after the start."""
        inside = [s.name for s in self.axis.spans if s.start <= t < s.end]
        return inside[-1] if inside else f"at {t:,.0f} s"

    def region_strokes(self, found: Sequence[Line], suffix: str = "") -> list[Stroke]:
        """A line for each region, without an unknown one that never had anything."""
        strokes = []
        for line in found:
            if line.name == "unknown" and not np.nansum(line.v):
                continue
            color, dash = self.styles.get(line.name, (MUTED, SOLID))
            strokes.append(Stroke(line, line.name + suffix, color, dash))
        return strokes

    def levels(self, slo: str) -> tuple[Level, ...]:
        """The limits by which the findings were judged, with the tiers that share each."""
        tiers: dict[float, list[str]] = {}
        for tier, value in self.view.thresholds.get(slo, {}).items():
            tiers.setdefault(value, []).append(tier)
        levels = []
        for value in sorted(tiers):
            names = "/".join(sorted(name for name in tiers[value] if name))
            levels.append(
                Level(value, (f"Tier {names}: " if names else "limit: ") + f"{value:g} s")
            )
        return tuple(levels)

    def over_time(
        self,
        name: str,
        title: str,
        note: str,
        y_title: str,
        strokes: list[Stroke],
        *,
        levels: tuple[Level, ...] = (),
        y_max: float | None = None,
        percent: bool = False,
    ) -> Chart:
        """A chart on the shared axis, with its gaps and its text for screen readers."""
        strokes = [s for s in strokes if not s.line.empty or np.isinf(s.line.v).any()]
        chart = Chart(
            name=name,
            title=clipped(title if strokes else f"{title}: no data"),
            note=note,
            alt="",
            y_title=y_title,
            y_max=y_max if y_max is not None else scale_top(strokes, levels),
            strokes=tuple(strokes),
            axis=self.axis,
            levels=levels,
            gaps=common_gaps([s.line for s in strokes if not s.stepped]),
            y_percent=percent,
        )
        return replace(chart, alt=self._alt(chart))

    def _alt(self, chart: Chart) -> str:
        """The chart in words: the mean of each line by phase."""
        if not chart.strokes:
            return f"{chart.y_title} over time: no data."
        said = []
        for stroke in chart.strokes:
            means = []
            for span in self.axis.spans:
                mean = ln.mean_between(stroke.line, span.start, span.end)
                means.append(
                    f"{span.name} {'no data' if mean is None else _short(mean, chart.y_percent)}"
                )
            said.append(f"{stroke.label}: {', '.join(means)}." if means else f"{stroke.label}.")
        limits = "".join(f" Limit {level.label}." for level in chart.levels)
        return f"{chart.y_title} over time, mean by phase. {' '.join(said)}{limits}"


def common_gaps(found: Sequence[Line]) -> tuple[tuple[float, float], ...]:
    """Stretches in which no line has a value, though one had before and one has again after."""
    if not found or any(len(line.t) != len(found[0].t) for line in found):
        return ()
    t = found[0].t
    known = ~np.all([np.isnan(line.v) for line in found], axis=0)
    at = np.flatnonzero(known)
    if not len(at):
        return ()
    return tuple(
        (float(t[left]), float(t[right]))
        for left, right in pairwise(at.tolist())
        if right - left > 1
    )


def clipped(title: str) -> str:
    """A title that fits over a chart."""
    return title if len(title) <= _TITLE_MAX else title[: _TITLE_MAX - 1] + "…"


def scale_top(strokes: Sequence[Stroke], levels: Sequence[Level]) -> float:
    """The upper end of the scale: above all lines; a limit far above everything is still shown."""
    highest = 0.0
    for stroke in strokes:
        known = stroke.line.v[np.isfinite(stroke.line.v)]
        highest = max(highest, float(known.max()) if len(known) else 0.0)
    limit = max((level.value for level in levels), default=0.0)
    return max(highest * 1.12, limit * 1.2) or 1.0


def _short(value: float, percent: bool) -> str:
    if percent:
        return f"{value:.0%}"
    return f"{value:,.3g}" if abs(value) < 1000 and math.isfinite(value) else f"{value:,.0f}"
