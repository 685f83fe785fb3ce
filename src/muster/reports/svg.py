"""Charts as SVG files, for the draft and for readers without scripts: same values, same bytes.

Nothing in the layout depends on the fonts of the machine. The page draws the same charts again,
by its script, at the reader's width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np

from muster.errors import MusterError
from muster.reports.chart_model import (
    BAND,
    GRID,
    INK,
    MUTED,
    PAPER,
    VERMILION,
    Axis,
    Chart,
    Stroke,
    clock_ticks,
    log_ticks,
    ticks,
)
from muster.reports.lines import thin

WIDTH, HEIGHT = 860, 170
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 84, 26
CHARACTER_PX = 6.2
"""Width of a character of 11 px, rounded up for safety."""
_ROW_PX = 16
_TITLE_MAX = 106
_FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"
_ELEMENTS = {"svg", "g", "path", "text", "rect", "line", "circle", "title", "desc"}
_SVG = "{http://www.w3.org/2000/svg}"


def draw(chart: Chart) -> str:
    """`chart` as one SVG document, with its title and description for screen readers."""
    legend, rows = _legend(chart)
    top = TOP + (rows - 1) * _ROW_PX
    height = top + HEIGHT + BOTTOM
    ids = f"chart-{chart.name}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="{_FONT}" font-size="11" role="img" '
        f'aria-labelledby="{ids}-title {ids}-desc">',
        f'<title id="{ids}-title">{escape(chart.title)}</title>',
        f'<desc id="{ids}-desc">{escape(chart.alt)}</desc>',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        _text(0, 17, _fitting(chart.title), INK, size=14, bold=True),
        *legend,
        f'<g transform="translate({LEFT} {top})">',
        *_Plot(chart).parts(),
        "</g></svg>",
    ]
    svg = "\n".join(parts) + "\n"
    check_svg(svg)
    return svg


def check_svg(svg: str) -> None:
    """Raise MusterError unless `svg` is well-formed and holds only shapes and text."""
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise MusterError(f"a chart is not well-formed SVG: {error}") from error
    for element in root.iter():
        name = element.tag.removeprefix(_SVG)
        bad = [key for key in element.attrib if key.lower().startswith("on") or "href" in key]
        if name not in _ELEMENTS or bad:
            raise MusterError(f"a chart holds <{name}> {' '.join(bad)}, expected shapes and text")


def escape(text: str) -> str:
    """`text` for XML, also within an attribute."""
    kept = "".join(c for c in text if c == "\n" or c >= " ")
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        kept = kept.replace(sign, entity)
    return kept


def clock(epoch_s: float, *, to_the_second: bool) -> str:
    """A time of day in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%H:%M:%S" if to_the_second else "%H:%M")


class _Plot:
    """The area within the axes; its origin is its upper left corner."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.width = WIDTH - LEFT - RIGHT
        self.low, self.high = chart.span

    def x(self, value: float) -> float:
        low, high = self.low, self.high
        if self.chart.axis is None:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-9))
        return min(max((value - low) / (high - low or 1.0), 0.0), 1.0) * self.width

    def y(self, value: float) -> float:
        return HEIGHT * (1 - min(max(value / self.chart.y_max, 0.0), 1.0))

    def parts(self) -> Iterator[str]:
        chart = self.chart
        if chart.axis is not None:
            yield from self._phases(chart.axis)
        for start, end in chart.gaps:
            left = self.x(start)
            width = max(1.0, self.x(end) - left)
            yield f'<rect x="{left:.1f}" width="{width:.1f}" height="{HEIGHT}" fill="#d9dee4"/>'
            if width > 50:
                yield _text(left + width / 2, HEIGHT / 2, "no data", MUTED, anchor="middle")
        yield from self._axes()
        if chart.axis is not None:
            yield from self._marks(chart.axis)
        yield from self._levels()
        for stroke in chart.strokes:
            yield from self._stroke(stroke)
        if chart.empty:
            yield _text(self.width / 2, HEIGHT / 2, "no data", MUTED, size=15, anchor="middle")

    def _phases(self, axis: Axis) -> Iterator[str]:
        free = -math.inf
        for index, span in enumerate(axis.spans):
            left, right = self.x(span.start), self.x(span.end)
            if index % 2 == 0:
                width = right - left
                yield f'<rect x="{left:.1f}" width="{width:.1f}" height="{HEIGHT}" fill="{BAND}"/>'
            end = left + len(span.name) * CHARACTER_PX
            if left >= free and end <= min(self.width, max(right, left + 34) + 12):
                yield _text(left + 3, -22, span.name, MUTED)
                free = end + 8

    def _axes(self) -> Iterator[str]:
        chart = self.chart
        values = ticks(chart.y_max / 1.12, 4)
        for value in values:
            at = self.y(value)
            yield f'<line x2="{self.width}" y1="{at:.1f}" y2="{at:.1f}" stroke="{GRID}"/>'
            yield _text(-6, at + 4, shown(value, chart.y_percent), MUTED, anchor="end")
        yield _text(-LEFT, -6, chart.y_title, MUTED)
        yield f'<line x2="{self.width}" y1="{HEIGHT}" y2="{HEIGHT}" stroke="{MUTED}"/>'
        for at_x, label in self._x_ticks():
            yield f'<line x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{HEIGHT}" y2="{HEIGHT + 4}" ' + (
                f'stroke="{MUTED}"/>'
            )
            yield _text(at_x, HEIGHT + 17, label, MUTED, anchor="middle")
        unit = "UTC" if chart.axis else "s"
        yield _text(-6, HEIGHT + 17, unit, MUTED, anchor="end")

    def _x_ticks(self) -> list[tuple[float, str]]:
        axis = self.chart.axis
        if axis is None:
            return [(self.x(v), f"{v:g}") for v in log_ticks(self.low, self.high)]
        found = clock_ticks(axis.start_s, axis.end, 9)
        fine = any(epoch % 60 for _, epoch in found)
        inside = [(self.x(t), clock(epoch, to_the_second=fine)) for t, epoch in found]
        return [(x, label) for x, label in inside if 20 <= x <= self.width - 14]

    def _marks(self, axis: Axis) -> Iterator[str]:
        free = [-math.inf, -math.inf]
        for mark in axis.marks:
            at = self.x(mark.t)
            alarm = mark.kind == "trip"
            color, dash = (VERMILION, "") if alarm else (MUTED, ' stroke-dasharray="2 2"')
            yield f'<line x1="{at:.1f}" x2="{at:.1f}" y2="{HEIGHT}" stroke="{color}"{dash}/>'
            row = next((row for row, left in enumerate(free) if at - 8 >= left), None)
            if row is not None:
                free[row] = at + 8
                middle = 8 + 16 * row
                yield f'<circle cx="{at:.1f}" cy="{middle}" r="7.5" fill="{color}"/>'
                yield _text(at, middle + 4, str(mark.number), PAPER, anchor="middle", bold=True)

    def _levels(self) -> Iterator[str]:
        for place, level in enumerate(self.chart.levels):
            line = f'stroke="{INK}" stroke-width="1.2" stroke-dasharray="8 4"/>'
            if self.chart.axis is None:
                at = self.x(level.value)
                yield f'<line x1="{at:.1f}" x2="{at:.1f}" y2="{HEIGHT}" {line}'
                yield _text(
                    at - 4, HEIGHT - 6 - 14 * place, level.label, INK, anchor="end", bold=True
                )
            else:
                at = self.y(level.value)
                yield f'<line x2="{self.width}" y1="{at:.1f}" y2="{at:.1f}" {line}'
                yield _text(self.width - 4, at - 3, level.label, INK, anchor="end", bold=True)

    def _stroke(self, stroke: Stroke) -> Iterator[str]:
        """A line in pieces between its gaps; a single value is a dot, one off the scale a
        triangle.
        """
        path: list[str] = []
        alone: tuple[float, float] | None = None
        before: tuple[float, float] | None = None
        line = thin(stroke.line)
        for t, v in zip(line.t.tolist(), line.v.tolist(), strict=True):
            if np.isnan(v) or not self.low <= t <= self.high:
                if alone:
                    yield _dot(alone, stroke.color)
                alone = before = None
                continue
            here = self.x(t), self.y(v)
            if v > self.chart.y_max:
                yield _triangle(here, stroke.color)
            if before is None:
                path.append(f"M{_pair(here)}")
                alone = here
            else:
                path.append((f"H{here[0]:.1f}V{here[1]:.1f}") if stroke.stepped else _pair(here))
                alone = None
            before = here
        if alone:
            yield _dot(alone, stroke.color)
        if path:
            yield (
                f'<path d="{" ".join(path)}" fill="none" stroke="{stroke.color}" '
                f'stroke-width="{stroke.width:g}"{_dashes(stroke)} stroke-linejoin="round"/>'
            )


def shown(value: float, percent: bool) -> str:
    """A value on the vertical axis."""
    return f"{value * 100:,.4g} %" if percent else f"{value:,.4g}"


def _fitting(title: str) -> str:
    return title if len(title) <= _TITLE_MAX else title[: _TITLE_MAX - 1] + "…"


def _legend(chart: Chart) -> tuple[list[str], int]:
    """The legend, in as many rows as it needs, and their number."""
    parts: list[str] = []
    left, row = 0.0, 0
    for stroke in chart.strokes:
        size = 32 + len(stroke.label) * CHARACTER_PX + 18
        if left and left + size > WIDTH:
            left, row = 0.0, row + 1
        y = 36 + row * _ROW_PX
        parts.append(
            f'<line x1="{left:g}" x2="{left + 26:g}" y1="{y - 4}" y2="{y - 4}" '
            f'stroke="{stroke.color}" stroke-width="{stroke.width + 0.4:g}"{_dashes(stroke)}/>'
        )
        parts.append(_text(left + 32, y, stroke.label, INK))
        left += size
    return parts, row + 1


def _dashes(stroke: Stroke) -> str:
    if stroke.dash == (1, 0):
        return ""
    return f' stroke-dasharray="{" ".join(map(str, stroke.dash))}"'


def _pair(at: tuple[float, float]) -> str:
    return f"{at[0]:.1f} {at[1]:.1f}"


def _dot(at: tuple[float, float], color: str) -> str:
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="1.8" fill="{color}"/>'


def _triangle(at: tuple[float, float], color: str) -> str:
    x, y = at
    corners = f"M{x - 4:.1f} {y + 7:.1f} {x + 4:.1f} {y + 7:.1f} {x:.1f} {y:.1f}Z"
    return f'<path d="{corners}" fill="{color}"/>'


def _text(
    x: float,
    y: float,
    text: str,
    color: str,
    *,
    size: int = 11,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    big = f' font-size="{size}"' if size != 11 else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}"{big}{place}{weight}>{escape(text)}</text>'
