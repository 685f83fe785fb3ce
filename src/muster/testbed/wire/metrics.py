"""Counts as plain integers, and their text for Prometheus.

The hot path adds to an int or a list cell; names and labels are joined once, when a series is
declared. A page of 200 series takes about 0.1 ms; through a custom collector of prometheus_client
it was 2.4 ms, every second, in every process, on the loop that the streams wait for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

Labels = Mapping[str, str]
Number = int | float
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def edge_text(edge: float) -> str:
    """An edge as prometheus_client writes it: `2.0`, `0.25`, `+Inf`."""
    return "+Inf" if edge == float("inf") else repr(float(edge))


def label_text(labels: Labels) -> str:
    """`{a="b",c="d"}` with the values escaped; empty without labels."""
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Histogram:
    """Counts by upper edge in seconds; the last cell is everything over the last edge."""

    __slots__ = ("cells", "edges_s", "sum_s")

    def __init__(self, edges_s: Iterable[float]) -> None:
        self.edges_s = sorted({float(edge) for edge in edges_s})
        self.cells = [0] * (len(self.edges_s) + 1)
        self.sum_s = 0.0

    def observe(self, value_s: float) -> None:
        self.cells[bisect_left(self.edges_s, value_s)] += 1
        self.sum_s += value_s

    def observe_never(self, value_s: float) -> None:
        """One that never came: over every edge, however long it was waited for."""
        self.cells[-1] += 1
        self.sum_s += value_s


class Family:
    """One metric name with its series, each a label text and a way to its present value."""

    def __init__(self, name: str, kind: str, text: str) -> None:
        self.name = name
        self.head = f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        self._values: list[tuple[str, Callable[[], Number]]] = []
        self._tables: list[tuple[Callable[[str], str], Mapping[str, int]]] = []
        self._histograms: list[tuple[list[str], str, str, Histogram]] = []

    def value(self, labels: Labels, read: Callable[[], Number]) -> None:
        """One series, read when it is scraped."""
        self._values.append((f"{self.name}{label_text(labels)} ", read))

    def table(self, labels: Labels, varying: str, counts: Mapping[str, int]) -> None:
        """A series for each key of `counts`, which may grow; the key is the label `varying`."""
        name = self.name
        fixed = dict(labels)
        self._tables.append((lambda key: f"{name}{label_text({**fixed, varying: key})} ", counts))

    def histogram(self, labels: Labels, histogram: Histogram) -> None:
        edges = [*histogram.edges_s, float("inf")]
        prefixes = [
            f"{self.name}_bucket{label_text({**labels, 'le': edge_text(edge)})} " for edge in edges
        ]
        text = label_text(labels)
        self._histograms.append(
            (prefixes, f"{self.name}_count{text} ", f"{self.name}_sum{text} ", histogram)
        )

    def lines(self, out: list[str]) -> None:
        out.append(self.head)
        for prefix, read in self._values:
            out.append(f"{prefix}{read()}\n")
        for prefix_of, counts in self._tables:
            for key, count in list(counts.items()):
                out.append(f"{prefix_of(key)}{count}\n")
        for prefixes, count_prefix, sum_prefix, histogram in self._histograms:
            running = 0
            for prefix, cell in zip(prefixes, histogram.cells, strict=True):
                running += cell
                out.append(f"{prefix}{running}\n")
            out.append(f"{count_prefix}{running}\n{sum_prefix}{histogram.sum_s}\n")


class Page(Protocol):
    """Anything that adds whole lines to the text."""

    def lines(self, out: list[str]) -> None:
        """Append lines, each with its line end."""


class Registry:
    """Every family of one process."""

    def __init__(self) -> None:
        self._families: list[Page] = []

    def page(self, page: Page) -> None:
        """Add lines that are made at each scrape."""
        self._families.append(page)

    def family(self, name: str, kind: str, text: str) -> Family:
        """A new family; `kind` is counter, gauge or histogram."""
        family = Family(name, kind, text)
        self._families.append(family)
        return family

    def render(self) -> bytes:
        """The whole page in Prometheus' text format."""
        out: list[str] = []
        for family in self._families:
            family.lines(out)
        return "".join(out).encode()
