"""Which charts a report has, and what the title of each says was found. Pure.

Titles state facts about the lines drawn. Only the verdict says whether an SLO held, so a peak over
a limit is called a peak, never a failure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from muster.judge.judged_by import tier_said
from muster.reports import limits
from muster.reports import lines as ln
from muster.reports.chart_model import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SOLID,
    VERMILION,
    Chart,
    Level,
    Stroke,
    bands,
    region_styles,
)
from muster.reports.evidence import Evidence
from muster.reports.lines import Line
from muster.reports.model import Mark, View
from muster.reports.numbers import seconds, utc

_DARK = "dark"
_SERVER_DASH = (2, 3)
_TITLE_MAX = 112


def plan(evidence: Evidence, view: View) -> tuple[Chart, ...]:
    """The report's charts, in reading order; one without data says so."""
    frame = _Frame(evidence, view)
    return (
        frame.traffic_split(),
        frame.new_streams(),
        frame.open_streams(),
        frame.latency("first_token", "First-token p95", "first_token_p95"),
        frame.latency("completion", "Completion p95", "completion_p95"),
        frame.error_classes(),
        frame.queue_age(),
        frame.loop_lag(),
    )


class _Frame:
    """What all charts share: the time axis, the phases, the marks and the regions' styles."""

    def __init__(self, evidence: Evidence, view: View) -> None:
        self.evidence = evidence
        self.view = view
        load = evidence.load
        start = view.start_s if view.start_s is not None else (load.start_s if load else 0.0)
        end = view.end_s if view.end_s is not None else (load.start_s + load.length if load else 0)
        self.start_s = start
        self.end_s = max(end, start + 1.0)
        self.x_end = self.end_s - start
        spans = [
            (p.name, p.start_s - start, (p.end_s if p.end_s is not None else self.end_s) - start)
            for p in view.phases
            if p.start_s is not None
        ]
        self.spans = spans
        self.bands = bands(spans, self.x_end)
        self.marks = tuple(Mark(m.t_s - start, m.label, m.kind) for m in view.marks)
        regions = sorted({*view.regions, *(load.regions if load else ())})
        self.styles = region_styles(regions, view.evacuated)

    def traffic_split(self) -> Chart:
        found = self._new_streams()
        whole = sum((line.v for line in found), np.zeros(len(found[0].v))) if found else None
        shares = []
        for line in found:
            assert whole is not None
            with np.errstate(invalid="ignore", divide="ignore"):
                shares.append(Line(line.name, line.t, np.where(whole > 0, line.v / whole, np.nan)))
        evacuated = self.view.evacuated
        title = "Share of new streams by region"
        said = self._phase_shares(found, evacuated) if evacuated else []
        if evacuated and len(said) > 1:
            steps = ", ".join(f"{share:.0%} in {name}" for name, share in said)
            title = f"{evacuated} took {steps}"
        return self._chart(
            "traffic_split",
            title,
            "Share of the new streams that each region answered 2xx, second by second.",
            "share of new streams",
            self._region_strokes(shares),
            y_max=1.12,
            percent=True,
        )

    def new_streams(self) -> Chart:
        found = self._new_streams()
        whole = [ln.mean_between(line, 0, self.x_end) for line in found]
        known = [value for value in whole if value is not None]
        title = "New streams a second by region"
        if known:
            title = f"The platform took {sum(known):,.0f} new streams a second on average"
        return self._chart(
            "new_streams",
            title,
            "New streams answered 2xx a second, by the region of the address connected to.",
            "new streams / s",
            self._region_strokes(found),
        )

    def open_streams(self) -> Chart:
        load = self.evidence.load
        found = ln.open_streams(load, self.start_s) if load else []
        regions = [line for line in found if line.name != "target"]
        strokes = self._region_strokes(regions)
        if regions:
            both = Line("all", regions[0].t, np.sum([line.v for line in regions], axis=0))
            strokes.insert(0, Stroke(both, "all regions", MUTED, SOLID, 1.4))
        targets = [line for line in found if line.name == "target" and not line.empty]
        strokes += [Stroke(line, "target", INK, (8, 4), 1.2) for line in targets]
        title = "Open streams by region"
        span = self._span("baseline")
        if span and regions:
            held = ln.mean_between(both, *span)
            wanted = ln.mean_between(targets[0], *span) if targets else None
            if held is not None and wanted:
                title = (
                    f"{held:,.0f} streams open on average in the baseline, "
                    f"{held / wanted:.1%} of the target of {wanted:,.0f}"
                )
        return self._chart(
            "open_streams",
            title,
            "Open streams counted by the load at the end of each second.",
            "open streams",
            strokes,
        )

    def latency(self, kind: str, label: str, slo: str) -> Chart:
        load, server = self.evidence.load, self.evidence.server
        client = ln.client_p95(load, kind, self.start_s) if load else []
        served = ln.server_p95(server, kind, self.start_s, self.end_s) if server else []
        strokes = self._region_strokes(client, suffix=", client")
        for line in served:
            color, _ = self.styles.get(line.name, (MUTED, SOLID))
            strokes.append(Stroke(line, f"{line.name}, server", color, _SERVER_DASH, 1.4))
        levels = self._levels(slo)
        title = f"{label} by region"
        top = self._judged_peak(client, slo)
        if top is not None:
            value, at, whose, tier = top
            peak = (
                "was over the highest bucket"
                if math.isinf(value)
                else f"peaked at {seconds(value)}"
            )
            title = f"{label} {peak} (client, {whose}, {self._phase_at(at)})"
            limit = self.view.thresholds.get(slo, {}).get(tier)
            title += _against(value, limit, tier_said(self.evidence.contract, tier))
        return self._chart(
            kind,
            title,
            f"p95 over {ln.P95_WINDOW_S} s windows of at least {ln.P95_SAMPLES_MIN} answers. "
            "Client: from the intended start, upper edge of a 1 % bucket. Server: from accepted, "
            "interpolated between bucket edges and for display only. A triangle is off the scale.",
            f"{label.lower()}, s",
            strokes,
            levels=levels,
        )

    def error_classes(self) -> Chart:
        load = self.evidence.load
        found = ln.error_classes(load, self.start_s) if load else []
        looks = {
            "2xx": (MUTED, SOLID, 1.4),
            "429": (ORANGE, (6, 2), 1.8),
            "5xx": (VERMILION, SOLID, 2.2),
            "broken": (INK, (2, 2), 2.0),
            "error in stream": (VERMILION, (2, 2), 2.0),
            "empty stream": (ORANGE, (2, 2), 2.0),
            "other 4xx": (PURPLE, (9, 2, 2, 2), 1.6),
        }
        labels = {
            "5xx": "5xx, refused, reset, timed out",
            "broken": "broken streams",
            "error in stream": "errors in streams",
            "empty stream": "empty streams",
        }
        strokes = [Stroke(x, labels.get(x.name, x.name), *looks[x.name]) for x in found]
        title = "Attempts a second by class"
        if found:
            sums = {line.name: ln.total(line) for line in found}
            every = sum(n for name, n in sums.items() if name not in ln.STREAM_CLASSES)
            more = "".join(
                f", {sums[name]:,.0f} {labels[name]}"
                for name in ln.STREAM_CLASSES
                if name != "broken" and sums.get(name)
            )
            title = (
                f"Of {every:,.0f} attempts {sums['429']:,.0f} got 429, "
                f"{sums['5xx']:,.0f} failed, {sums['broken']:,.0f} streams broke{more}"
            )
        return self._chart(
            "error_classes",
            title,
            "Attempts a second counted by the load; the scale is linear up to 1, then logarithmic.",
            "attempts / s",
            strokes,
            symlog=True,
        )

    def queue_age(self) -> Chart:
        server = self.evidence.server
        found = ln.queue_age(server, self.start_s, self.end_s) if server else []
        levels = self._levels("queue_age")
        top = ln.peak(found)
        title = "Age of the oldest queued job"
        if top is not None:
            title = f"The oldest queued job was at most {seconds(top[0])} old"
            title += f" ({top[2]}, {self._phase_at(top[1])})" if top[0] > 0 else ""
            title += _against(top[0], min((level.value for level in levels), default=None))
        return self._chart(
            "queue_age",
            title,
            "The highest value of the region's gateways at each scrape.",
            "age, s",
            self._region_strokes(found),
            levels=levels,
        )

    def loop_lag(self) -> Chart:
        load = self.evidence.load
        line = ln.loop_lag(load, self.start_s) if load else None
        strokes = [Stroke(line, "load, maximum of each second", BLUE)] if line else []
        title = "Loop lag of the load generator"
        most = limits.lag_ms(self.evidence.contract)
        top = ln.peak([line]) if line else None
        if top is not None:
            title = f"The load's event loop was at most {top[0]:,.0f} ms late"
        return self._chart(
            "loop_lag",
            title,
            "Maximum lag of the load's event loop in each second. The rig limit is on the p99 of a "
            "judged window, so a single peak over the line proves nothing.",
            "loop lag, ms",
            strokes,
            levels=() if most is None else (Level(most, f"rig limit, p99: {most:g} ms"),),
        )

    def _new_streams(self) -> list[Line]:
        load = self.evidence.load
        return ln.new_streams(load, self.start_s) if load else []

    def _region_strokes(self, found: Sequence[Line], suffix: str = "") -> list[Stroke]:
        strokes = []
        for line in found:
            if line.name == "unknown" and not np.nansum(line.v):
                continue
            color, dash = self.styles.get(line.name, (MUTED, SOLID))
            strokes.append(Stroke(line, line.name + suffix, color, dash))
        return strokes

    def _levels(self, slo: str) -> tuple[Level, ...]:
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

    def _judged_peak(self, found: Sequence[Line], slo: str) -> tuple[float, float, str, str] | None:
        """The peak that comes closest to its phase's limit (or exceeds it most), with its tier."""
        limits = self.view.thresholds.get(slo, {})
        best: tuple[float, tuple[float, float, str, str]] | None = None
        for phase in self.view.phases:
            span = self._span(phase.name)
            if phase.tier is None or span is None:
                continue
            top = ln.peak([_cut(line, *span) for line in found])
            if top is None:
                continue
            ratio = top[0] / limits.get(phase.tier, 1.0)
            if best is None or ratio > best[0]:
                best = (ratio, (*top, phase.tier))
        return best[1] if best else None

    def _span(self, phase: str) -> tuple[float, float] | None:
        return next(((t0, t1) for name, t0, t1 in self.spans if name == phase), None)

    def _phase_at(self, t: float) -> str:
        inside = [name for name, t0, t1 in self.spans if t0 <= t < t1]
        return inside[-1] if inside else f"at {t:,.0f} s"

    def _phase_shares(self, found: Sequence[Line], region: str) -> list[tuple[str, float]]:
        """The region's share before, in the dark and after; phases without data are left out."""
        said = []
        for phase in ("baseline", _DARK, "verify"):
            span = self._span(phase)
            share = ln.share_between(found, region, *span) if span else None
            if share is not None:
                said.append((phase, share))
        return said

    def _chart(
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
        symlog: bool = False,
    ) -> Chart:
        strokes = [s for s in strokes if not s.line.empty or np.isinf(s.line.v).any()]
        if not strokes:
            title = f"{title}: no data"
        title = title if len(title) <= _TITLE_MAX else title[: _TITLE_MAX - 1] + "…"
        chart = Chart(
            name=name,
            title=title,
            note=note,
            alt="",
            x_title=f"seconds since {utc(self.start_s)}",
            y_title=y_title,
            x_end=self.x_end,
            y_max=y_max if y_max is not None else _top(strokes, levels),
            strokes=tuple(strokes),
            levels=levels,
            bands=self.bands,
            marks=self.marks,
            symlog=symlog,
            y_percent=percent,
        )
        return replace(chart, alt=self._alt(chart))

    def _alt(self, chart: Chart) -> str:
        """The chart in words: the mean of each line by phase."""
        if not strokes_of(chart):
            return f"{chart.y_title} over time: no data."
        said = []
        for stroke in strokes_of(chart):
            means = []
            for name, t0, t1 in self.spans:
                mean = ln.mean_between(stroke.line, t0, t1)
                shown = "no data" if mean is None else _short(mean, chart.y_percent)
                means.append(f"{name} {shown}")
            said.append(f"{stroke.label}: {', '.join(means)}." if means else f"{stroke.label}.")
        limits = "".join(f" Limit {level.label}." for level in chart.levels)
        return f"{chart.y_title} over time, mean by phase. {' '.join(said)}{limits}"


def _cut(line: Line, t0: float, t1: float) -> Line:
    inside = (line.t >= t0) & (line.t < t1)
    return Line(line.name, line.t[inside], line.v[inside], line.source)


def strokes_of(chart: Chart) -> tuple[Stroke, ...]:
    """The chart's lines that have a name."""
    return tuple(stroke for stroke in chart.strokes if stroke.label)


def _short(value: float, percent: bool) -> str:
    return f"{value:.0%}" if percent else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _against(value: float, limit: float | None, whose: str = "") -> str:
    if limit is None:
        return ""
    of = f" of {whose}" if whose else ""
    return f", {'over' if value > limit else 'within'} the limit of {limit:g} s{of}"


def _top(strokes: Sequence[Stroke], levels: Sequence[Level]) -> float:
    """The upper end of the scale: above all lines; a limit far above everything is still shown."""
    highest = 0.0
    for stroke in strokes:
        known = stroke.line.v[np.isfinite(stroke.line.v)]
        highest = max(highest, float(known.max()) if len(known) else 0.0)
    limit = max((level.value for level in levels), default=0.0)
    return max(highest * 1.12, limit * 1.2) or 1.0
