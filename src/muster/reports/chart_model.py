"""A chart before it is drawn: pure values, and the choices that make it readable.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Each line also has
its own dash, so that a print in grey stays readable. Every chart over time shares one axis in UTC
with the same phases and the same numbered marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from muster.reports.lines import Line

INK = "#1f2933"
MUTED = "#5f6b78"
GRID = "#e2e7ed"
BAND = "#f1f4f8"
PAPER = "#ffffff"
BLUE = "#0072b2"
VERMILION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#aa4f8a"
ORANGE = "#c98500"
SOLID: tuple[int, ...] = (1, 0)
COLOR_NAMES = {
    INK: "ink",
    MUTED: "muted",
    BLUE: "blue",
    VERMILION: "vermilion",
    GREEN: "green",
    PURPLE: "purple",
    ORANGE: "orange",
}
"""The page gives each name a colour for light and one for dark."""

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn; `label` is its entry in the legend. `stepped`: it holds its value until
    the next one.
    """

    line: Line
    label: str
    color: str
    dash: tuple[int, ...] = SOLID
    width: float = 1.8
    stepped: bool = False


@dataclass(frozen=True)
class Level:
    """A limit: a horizontal line over time, a vertical one in a distribution."""

    value: float
    label: str


@dataclass(frozen=True)
class Span:
    """A phase on the time axis, in seconds since the start."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class NumberedMark:
    """A moment on all charts, in seconds since the start; its number stands in the legend."""

    number: int
    t: float
    label: str
    kind: str


@dataclass(frozen=True)
class Axis:
    """What all charts over time share. `start_s` is in epoch seconds, the rest counts from it."""

    start_s: float
    end: float
    spans: tuple[Span, ...] = ()
    marks: tuple[NumberedMark, ...] = ()


@dataclass(frozen=True)
class Chart:
    """One chart. `title` says what was found; `alt` says the same for screen readers.

    `axis` None: a distribution, whose lines run over latencies in seconds on a logarithmic axis
    from `x_min` to `x_max`. `gaps` are stretches without data, in seconds since the start.
    """

    name: str
    title: str
    note: str
    alt: str
    y_title: str
    y_max: float
    strokes: tuple[Stroke, ...]
    axis: Axis | None
    levels: tuple[Level, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    y_percent: bool = False
    x_min: float = 0.0
    x_max: float = 0.0

    @property
    def empty(self) -> bool:
        """Whether there is no data at all to draw."""
        return all(stroke.line.empty for stroke in self.strokes)

    @property
    def span(self) -> tuple[float, float]:
        """The first and last value of the horizontal axis."""
        return (0.0, self.axis.end) if self.axis else (self.x_min, self.x_max)


def region_styles(
    regions: Sequence[str], evacuated: str | None
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Colour and dash by region: the evacuated one is emphasised, the others keep their order."""
    others = [(BLUE, SOLID), (GREEN, (9, 2, 2, 2)), (PURPLE, (4, 2))]
    styles: dict[str, tuple[str, tuple[int, ...]]] = {}
    index = 0
    for region in regions:
        if region == evacuated:
            styles[region] = (VERMILION, (6, 2))
        elif region == "unknown":
            styles[region] = (MUTED, (2, 2))
        else:
            styles[region] = others[index % len(others)]
            index += 1
    return styles


def ticks(end: float, about: int) -> list[float]:
    """Round tick values from 0 to `end`, about as many as requested."""
    if end <= 0:
        return [0.0]
    raw = end / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    return [float(f"{index * step:.6g}") for index in range(int(end / step + 1e-9) + 1)]


def clock_ticks(start_s: float, end: float, most: int) -> list[tuple[float, float]]:
    """At most `most` round times of day in UTC: (seconds since the start, epoch seconds)."""
    step = next((s for s in _STEPS_S if end / s <= most), _STEPS_S[-1])
    first = math.ceil(start_s / step) * step
    count = int((start_s + end - first) / step + 1e-9) + 1
    return [(first + i * step - start_s, float(first + i * step)) for i in range(max(0, count))]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times each power of ten from `low` to `high`."""
    if not 0 < low < high:
        return []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [float(f"{m * 10.0**p:.6g}") for p in powers for m in (1, 2, 5)]
    return [value for value in every if low * 0.999 <= value <= high * 1.001]
