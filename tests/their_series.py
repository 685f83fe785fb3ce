"""What other products show, as a Prometheus that scraped them would answer it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from muster.platform.metrics import RawSeries

EXPOSITIONS = Path(__file__).parent / "expositions"
LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def exposition(product: str, **scraped: str) -> list[RawSeries]:
    """Every series of a product's text, with the labels that the scrape adds; one sample each."""
    found = []
    for line in (EXPOSITIONS / f"{product}.txt").read_text().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        name, labels, value = match.groups()
        pairs = {**dict(LABEL.findall(labels or "")), **scraped}
        found.append(RawSeries("", name, pairs, (100.0,), (float(value),)))
    return found


def selected(series: list[RawSeries], selector: str) -> list[RawSeries]:
    """Those that a selector of a name, or of a pattern for it, and of labels means."""
    name, _, rest = selector.partition("{")
    wanted = re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', rest)
    if name:
        wanted.append(("__name__", "=", name))

    def fits(one: RawSeries) -> bool:
        return all(
            (re.fullmatch(value, shown(one, label)) is not None)
            if sign == "=~"
            else (shown(one, label) == value) is (sign == "=")
            for label, sign, value in wanted
        )

    return [one for one in series if fits(one)]


def shown(one: RawSeries, label: str) -> str:
    """A label's value, the name among them."""
    return one.name if label == "__name__" else one.labels.get(label, "")


class TheirMetrics:
    """Answers selectors over series, as Prometheus does."""

    url = "http://prometheus.test"

    def __init__(self, series: list[RawSeries]) -> None:
        self.series = series

    def raw(
        self, signal: str, selector: str, window_s: float, at_s: float | None = None
    ) -> list[RawSeries]:
        """The series that the selector means, as samples of `signal`."""
        return [
            RawSeries(signal, one.name, one.labels, one.t_s, one.v)
            for one in selected(self.series, selector)
        ]


def raw(name: str, labels: Mapping[str, str], *points: tuple[float, float | None]) -> RawSeries:
    """A series of (time, value) points."""
    return RawSeries("", name, labels, tuple(t for t, _ in points), tuple(v for _, v in points))
