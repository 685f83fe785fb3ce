"""Samples put together scrape by scrape: one source, sums of several, and a gauge plus another.

The samples of one scrape of a process have the same time. Times that no two of them share are
those of several processes, or of several scrapers, and nothing can be said of their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Points = tuple[tuple[float, ...], tuple[float | None, ...]]
"""Scrape times (s, ascending) and values; None: unknown."""
LARGEST = frozenset({"queue_age", "circuit_open", "build_info"})
SMALLEST = frozenset({"region_ready", "gateway_health"})


class Refusal(Exception):
    """The mapping does not fit what was seen."""


def one_source(rows: Sequence[Points]) -> Points:
    """One series, also where its bucket's edge is written in two ways; what differs is unknown."""
    if len(rows) == 1:
        return rows[0]
    values: dict[float, float | None] = {}
    for times, shown in rows:
        for t_s, value in zip(times, shown, strict=True):
            values[t_s] = value if values.get(t_s, value) == value else None
    return _sorted(values)


def summed(signal: str, name: str, rows: Sequence[Points]) -> Points:
    """The samples of several series of one process, scrape by scrape.

    A series that is not there at a scrape had not happened, or is gone: it counts nothing. Raises
    Refusal where they are no samples of the same scrapes. `name` is for its text.
    """
    if len(rows) == 1:
        return rows[0]
    join = _join_of(signal, name)
    found: dict[float, list[float | None]] = {}
    first_s, last_s = float("inf"), float("-inf")
    for times, values in sorted(rows, key=lambda row: -len(row[0])):
        apart = times[0] <= last_s and first_s <= times[-1] and found.keys().isdisjoint(times)
        if apart:
            raise Refusal(
                f"{name}: its parts are scraped at different moments, so they are of several "
                "processes: name in owner what tells these apart"
            )
        first_s, last_s = min(first_s, times[0]), max(last_s, times[-1])
        for t_s, value in zip(times, values, strict=True):
            found.setdefault(t_s, []).append(value)
    return _sorted({t_s: _joined(join, values) for t_s, values in found.items()})


def added(one: Points, other: Points, sign: float) -> Points | None:
    """`one` plus `sign` times `other` at the scrapes of both; None: they share none."""
    values = dict(zip(*other, strict=True))
    found: dict[float, float | None] = {}
    for t_s, value in zip(*one, strict=True):
        if t_s in values:
            term = values[t_s]
            found[t_s] = None if value is None or term is None else value + sign * term
    if not found and _overlap(one[0], other[0]):
        return None
    return _sorted(found)


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether both were scraped in the same stretch: a single sample may be on its way yet."""
    several = len(one) > 1 and len(other) > 1
    return several and one[0] <= other[-1] and other[0] <= one[-1]


def _join_of(signal: str, name: str) -> Callable[[Iterable[float]], float]:
    if signal in LARGEST:
        return max
    if signal in SMALLEST:
        return min
    if signal.startswith("x_"):
        raise Refusal(f"{name}: several series become one, and nothing says what that means")
    return sum


def _joined(
    join: Callable[[Iterable[float]], float], values: Sequence[float | None]
) -> float | None:
    known = [value for value in values if value is not None]
    return float(join(known)) if len(known) == len(values) else None


def _sorted(values: dict[float, float | None]) -> Points:
    times = sorted(values)
    return tuple(times), tuple(values[t_s] for t_s in times)
