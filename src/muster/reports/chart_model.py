"""A chart before it is drawn: pure values, and the choices that make it readable.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Each line also has
its own dash, so that a print in grey stays readable. The renderer maps each colour for dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muster.reports.lines import Line
from muster.reports.model import Mark

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

WIDTH = 860
LABEL_PX = 5.9
"""Width of a character in the charts' small type, rounded up for safety."""


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn; `label` is its entry in the legend ("" for none)."""

    line: Line
    label: str
    color: str
    dash: tuple[int, ...] = SOLID
    width: float = 1.8


@dataclass(frozen=True)
class Level:
    """A horizontal limit."""

    value: float
    label: str


@dataclass(frozen=True)
class Band:
    """A phase on the time axis, in seconds since the start. `row` None: no room for its name."""

    name: str
    start: float
    end: float
    shaded: bool
    row: int | None
    left_px: float


@dataclass(frozen=True)
class Chart:
    """One chart. `title` says what was found; `alt` says the same for screen readers."""

    name: str
    title: str
    note: str
    alt: str
    x_title: str
    y_title: str
    x_end: float
    y_max: float
    strokes: tuple[Stroke, ...]
    levels: tuple[Level, ...] = ()
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    symlog: bool = False
    y_percent: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is no data at all to draw."""
        return all(stroke.line.empty for stroke in self.strokes)


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


def bands(phases: Sequence[tuple[str, float, float]], x_end: float) -> tuple[Band, ...]:
    """Phases as bands, shaded alternately, each named in the first of two rows with room for it."""
    free = [float("-inf"), float("-inf")]
    found: list[Band] = []
    for index, (name, start, end) in enumerate(phases):
        need = len(name) * LABEL_PX + 6
        left = min(max(start, 0.0) / x_end * WIDTH + 4, WIDTH + 18 - need)
        own = (end - max(start, 0.0)) / x_end * WIDTH
        rows = [row for row in (0, 1) if left >= free[row]]
        if need > own:
            rows.reverse()  # a name wider than its phase leaves the lower row free
        if rows:
            free[rows[0]] = left + need
        found.append(Band(name, start, end, index % 2 == 0, rows[0] if rows else None, left))
    return tuple(found)


def ticks(end: float, about: int) -> list[float]:
    """Round tick values from 0 to `end`, about as many as requested."""
    if end <= 0:
        return [0.0]
    raw = end / about
    power = 10.0 ** int(f"{raw:e}".split("e")[1])
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    return [float(f"{index * step:.6g}") for index in range(int(end / step + 1e-9) + 1)]
