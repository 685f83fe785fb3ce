"""Charts as SVG, by altair and vl-convert, offline; the same values give the same bytes.

Nothing in the layout depends on the fonts of the machine: margins, ticks and the legend's places
are fixed numbers. altair is imported with the first chart, because that takes 0.3 s.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from muster.errors import MusterError
from muster.reports.chart_model import (
    BAND,
    GRID,
    INK,
    LABEL_PX,
    MUTED,
    PAPER,
    VERMILION,
    WIDTH,
    Chart,
    Stroke,
    ticks,
)
from muster.reports.lines import thin

HEIGHT = 168
_HEADROOM = 1.12
"""The scale ends this much above the highest value, so that the marks' labels have room."""
_PADDING = {"left": 62, "top": 80, "right": 22, "bottom": 46}
_FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"
_ELEMENTS = {
    "svg",
    "g",
    "path",
    "text",
    "rect",
    "line",
    "title",
    "desc",
    "defs",
    "clipPath",
    "tspan",
}
_SVG = "{http://www.w3.org/2000/svg}"


def draw(chart: Chart) -> str:
    """`chart` as one SVG document, with its title and description for screen readers."""
    import altair as alt
    import vl_convert
    from altair.utils.schemapi import debug_mode

    # Validation is off: each part would be checked against the whole schema, and vl-convert reports
    # what it cannot draw.
    with debug_mode(False):
        picture = _picture(alt, chart)
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(picture.to_dict(validate=False), vl_version=version)
    return _described(svg, chart)


def _picture(alt: Any, chart: Chart) -> Any:
    layers = [
        *_band_layers(alt, chart),
        *_level_layers(alt, chart),
        *[layer for stroke in chart.strokes for layer in _stroke_layers(alt, chart, stroke)],
        *_mark_layers(alt, chart),
        *_legend_layers(alt, chart),
    ]
    layers.append(_text(alt, -_PADDING["left"] + 4, -58, chart.title, INK, 14, bold=True))
    if chart.empty:
        layers.append(_text(alt, WIDTH / 2, HEIGHT / 2, "no data", MUTED, 15, align="center"))
    # All layers in one call: each further call on a chart copies everything that it holds.
    return alt.layer(
        *layers,
        width=WIDTH,
        height=HEIGHT,
        padding=_PADDING,
        autosize=alt.AutoSizeParams(type="none"),
        background=PAPER,
        config=_config(alt),
    )


def _config(alt: Any) -> Any:
    axis = alt.AxisConfig(
        labelColor=MUTED,
        titleColor=MUTED,
        domainColor=MUTED,
        tickColor=MUTED,
        gridColor=GRID,
        labelFontSize=11,
        titleFontSize=11,
        titleFontWeight="normal",
        minExtent=34,
        maxExtent=34,
        labelOverlap=False,
        labelFlush=False,
    )
    return alt.Config(font=_FONT, aria=False, view=alt.ViewConfig(stroke=None), axis=axis)


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


def _described(svg: str, chart: Chart) -> str:
    """Add title and description, and make ids unique, so that charts can share one page."""
    check_svg(svg)
    ids = f"chart-{chart.name}"
    svg = re.sub(r'(\bid="|url\(#)', rf"\1{ids}-", svg)
    head, _, rest = svg.partition(">")
    head = re.sub(r' (?:role|aria-[a-z]+|xmlns:xlink|class)="[^"]*"', "", head)
    opening = f'{head} role="img" aria-labelledby="{ids}-title {ids}-desc">'
    texts = (
        f'<title id="{ids}-title">{_escape(chart.title)}</title>'
        f'<desc id="{ids}-desc">{_escape(chart.alt)}</desc>'
    )
    result = opening + texts + rest + "\n"
    check_svg(result)
    return result


def _x(alt: Any, chart: Chart, field: str = "t") -> Any:
    return alt.X(
        field,
        type="quantitative",
        scale=alt.Scale(domain=[0, chart.x_end], nice=False, clamp=True),
        axis=alt.Axis(
            title=chart.x_title,
            values=ticks(chart.x_end, 9),
            grid=False,
            format=",d" if chart.x_end >= 9 else ",.1f",
            minExtent=20,
            maxExtent=20,
        ),
    )


def _y(alt: Any, chart: Chart, field: str = "v") -> Any:
    scale: dict[str, Any] = {
        "domain": [0, chart.y_max * (2.5 if chart.symlog else 1)],
        "nice": False,
        "clamp": True,
    }
    values = ticks(chart.y_max / _HEADROOM, 4)
    if chart.symlog:
        scale |= {"type": "symlog", "constant": 1}
        values = [0.0, *[10.0**p for p in range(7) if 10.0**p <= chart.y_max]]
    return alt.Y(
        field,
        type="quantitative",
        scale=alt.Scale(**scale),
        axis=alt.Axis(
            title=chart.y_title,
            values=values,
            format=".0%" if chart.y_percent else ",.0f" if values[-1] >= 10 else ",.3~f",
            ticks=False,
            domain=False,
        ),
    )


def _band_layers(alt: Any, chart: Chart) -> list[Any]:
    layers = []
    rows = [
        {"t": max(b.start, 0.0), "t2": min(b.end, chart.x_end)} for b in chart.bands if b.shaded
    ]
    if rows:
        layers.append(
            alt.Chart(alt.Data(values=rows))
            .mark_rect(color=BAND)
            .encode(x=_x(alt, chart), x2=alt.X2("t2"), y=alt.YValue(0), y2=alt.Y2Value(HEIGHT))
        )
    for band in chart.bands:
        if band.row is not None:
            layers.append(_text(alt, band.left_px, -6 - 12 * band.row, band.name, MUTED, 10))
    return layers


def _level_layers(alt: Any, chart: Chart) -> list[Any]:
    layers = []
    for level in chart.levels:
        data = alt.Data(values=[{"v": level.value, "label": level.label}])
        rule = alt.Chart(data).mark_rule(color=INK, strokeWidth=1.2, strokeDash=[8, 4])
        layers.append(rule.encode(y=_y(alt, chart)))
        label = alt.Chart(data).mark_text(
            color=INK, fontSize=11, fontWeight="bold", align="right", baseline="bottom", dy=-3
        )
        layers.append(
            label.encode(x=alt.XValue(WIDTH - 4), y=_y(alt, chart), text=alt.Text("label:N"))
        )
    return layers


def _stroke_layers(alt: Any, chart: Chart, stroke: Stroke) -> list[Any]:
    """A line in pieces between its gaps; a single point is a dot, one off the scale a triangle."""
    rows, over, lone = _rows(chart, stroke)
    layers = []
    if rows:
        layers.append(
            alt.Chart(alt.Data(values=rows))
            .mark_line(
                color=stroke.color,
                strokeWidth=stroke.width,
                strokeDash=list(stroke.dash),
                strokeJoin="round",
            )
            .encode(x=_x(alt, chart), y=_y(alt, chart), detail=alt.Detail("piece:O"))
        )
    if lone:
        layers.append(
            alt.Chart(alt.Data(values=lone))
            .mark_circle(color=stroke.color, size=10, opacity=1)
            .encode(x=_x(alt, chart), y=_y(alt, chart))
        )
    if over:
        layers.append(
            alt.Chart(alt.Data(values=over))
            .mark_point(color=stroke.color, shape="triangle-up", filled=True, size=36, opacity=1)
            .encode(x=_x(alt, chart), y=_y(alt, chart))
        )
    return layers


def _rows(
    chart: Chart, stroke: Stroke
) -> tuple[list[dict[str, float]], list[dict[str, float]], list[dict[str, float]]]:
    line = thin(stroke.line)
    rows: list[dict[str, float]] = []
    over: list[dict[str, float]] = []
    piece = 0
    broken = True
    for t, v in zip(line.t, line.v, strict=True):
        if np.isnan(v) or t < 0 or t > chart.x_end:
            broken = True
            continue
        if broken:
            piece += 1
            broken = False
        row = {"t": round(float(t), 2), "v": round(float(min(v, chart.y_max)), 5), "piece": piece}
        rows.append(row)
        if v > chart.y_max:
            over.append(row)
    sizes: dict[float, int] = {}
    for row in rows:
        sizes[row["piece"]] = sizes.get(row["piece"], 0) + 1
    lone = [row for row in rows if sizes[row["piece"]] == 1]
    return [row for row in rows if sizes[row["piece"]] > 1], over, lone


def _mark_layers(alt: Any, chart: Chart) -> list[Any]:
    layers = []
    free = float("-inf")
    for mark in sorted(chart.marks, key=lambda m: m.t_s):
        if not 0 <= mark.t_s <= chart.x_end:
            continue
        trip = mark.kind == "trip"
        rule = alt.Chart(alt.Data(values=[{"t": round(mark.t_s, 2)}])).mark_rule(
            color=VERMILION if trip else MUTED,
            strokeWidth=2 if trip else 1,
            strokeDash=[1, 0] if trip else [2, 2],
        )
        layers.append(rule.encode(x=_x(alt, chart), y=alt.YValue(0), y2=alt.Y2Value(HEIGHT)))
        line = mark.t_s / chart.x_end * WIDTH
        size = len(mark.label) * LABEL_PX + 6
        # Beside its line: to the right, or to the left if it would leave the chart.
        inside = line + size <= WIDTH
        left = line if inside else line - size
        if mark.label and (trip or left >= free):
            at, align = (line + 3, "left") if inside else (line - 3, "right")
            color = VERMILION if trip else MUTED
            layers.append(_text(alt, at, 11, mark.label, color, 10, align=align, bold=trip))
            free = left + size
    return layers


def _legend_layers(alt: Any, chart: Chart) -> list[Any]:
    layers = []
    left = 0.0
    for stroke in chart.strokes:
        if not stroke.label:
            continue
        sample = alt.Chart(alt.Data(values=[{}])).mark_rule(
            color=stroke.color, strokeWidth=stroke.width + 0.4, strokeDash=list(stroke.dash)
        )
        layers.append(
            sample.encode(x=alt.XValue(left), x2=alt.X2Value(left + 26), y=alt.YValue(-33))
        )
        layers.append(_text(alt, left + 32, -29, stroke.label, INK, 11))
        left += 32 + len(stroke.label) * (LABEL_PX + 0.5) + 18
    return layers


def _text(
    alt: Any,
    x: float,
    y: float,
    text: str,
    color: str,
    size: int,
    *,
    align: str = "left",
    bold: bool = False,
) -> Any:
    return (
        alt.Chart(alt.Data(values=[{"label": text}]))
        .mark_text(
            color=color,
            fontSize=size,
            align=align,
            baseline="alphabetic",
            fontWeight="bold" if bold else "normal",
        )
        .encode(x=alt.XValue(round(x, 1)), y=alt.YValue(y), text=alt.Text("label:N"))
    )


def _escape(text: str) -> str:
    cleaned = "".join(c for c in text if c == "\n" or c >= " ")
    return cleaned.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
