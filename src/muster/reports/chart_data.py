"""The charts as data for the page's script: short, and safe within a page. Pure.

A missing value is null and stays a gap; one over the highest bucket is -1. A line with regular
times is written as its first one and the step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from muster.reports.chart_model import COLOR_NAMES, SOLID, Axis, Chart, Stroke
from muster.reports.lines import thin

BINS_MAX = 1800
"""Two hours of seconds are whole; a day keeps the extremes of each 48 s."""
_DIGITS = 4


def chart_data(charts: Sequence[Chart]) -> str:
    """JSON for a script element: no sign in it can end the element."""
    axis = next((chart.axis for chart in charts if chart.axis), Axis(0.0, 1.0))
    data = {
        "start": axis.start_s,
        "end": round(axis.end, 2),
        "phases": [
            {"name": s.name, "from": round(s.start, 2), "to": round(s.end, 2)} for s in axis.spans
        ],
        "marks": [
            {"n": m.number, "t": round(m.t, 2), "label": m.label, "kind": m.kind}
            for m in axis.marks
        ],
        "charts": [_chart(chart) for chart in charts],
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(sign, code)
    return text


def _chart(chart: Chart) -> dict[str, Any]:
    low, high = chart.span
    return {
        "name": chart.name,
        "title": chart.title,
        "alt": chart.alt,
        "unit": chart.y_title,
        "top": chart.y_max,
        "percent": chart.y_percent,
        "log": chart.axis is None,
        "x": [low, high],
        "levels": [{"v": level.value, "label": level.label} for level in chart.levels],
        "gaps": [[round(a, 2), round(b, 2)] for a, b in chart.gaps],
        "lines": [_line(stroke) for stroke in chart.strokes],
    }


def _line(stroke: Stroke) -> dict[str, Any]:
    line = thin(stroke.line, BINS_MAX)
    told: dict[str, Any] = {
        "label": stroke.label,
        "color": COLOR_NAMES[stroke.color],
        "dash": "" if stroke.dash == SOLID else " ".join(map(str, stroke.dash)),
        "width": stroke.width,
        "v": [_value(v) for v in line.v.tolist()],
    }
    if stroke.stepped:
        told["stepped"] = True
    steps = np.diff(line.t)
    if len(steps) and np.allclose(steps, steps[0], atol=1e-6):
        told |= {"first": round(float(line.t[0]), 3), "step": round(float(steps[0]), 3)}
    else:
        told["t"] = [float(f"{t:.6g}") for t in line.t.tolist()]
    return told


def _value(v: float) -> float | int | None:
    if math.isnan(v):
        return None
    if math.isinf(v):
        return -1
    short = float(f"{v:.{_DIGITS}g}") if abs(v) < 10**_DIGITS else round(v)
    return int(short) if short == int(short) else short
