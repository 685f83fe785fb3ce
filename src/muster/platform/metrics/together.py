"""Combines samples scrape by scrape: one source, a sum of several, and one gauge plus another.

The samples of one scrape of a process have the same time. If no two of them share a time, they come
from several processes or several scrapers, and their sum is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Points = tuple[tuple[float, ...], tuple[float | None, ...]]
"""Scrape times (s, ascending) and values; None: unknown."""
LARGEST = frozenset({"queue_age", "circuit_open", "build_info"})
SMALLEST = frozenset({"region_ready", "gateway_health"})


class Refusal(Exception):
    """The mapping does not fit the series."""


def one_source(rows: Sequence[Points]) -> Points:
    """One series, also if its bucket edge is written in two ways; differing values are unknown."""
    if len(rows) == 1:
        return rows[0]
    values: dict[float, float | None] = {}
    for times, shown in rows:
        for t_s, value in zip(times, shown, strict=True):
            values[t_s] = value if values.get(t_s, value) == value else None
    return _sorted(values)


def summed(signal: str, name: str, rows: Sequence[Points]) -> Points:
    """Combine the samples of several series of one process, scrape by scrape.

    A series that is missing at a scrape had no event yet, or is gone: it adds nothing. Raises
    Refusal if the samples are not of the same scrapes. `name` is for the message.
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
                f"{name}: its parts are scraped at different moments, so they belong to several "
                "processes: name in owner the label that tells the processes apart"
            )
        first_s, last_s = min(first_s, times[0]), max(last_s, times[-1])
        for t_s, value in zip(times, values, strict=True):
            found.setdefault(t_s, []).append(value)
    return _sorted({t_s: _joined(join, values) for t_s, values in found.items()})


def added(one: Points, other: Points, sign: float) -> Points | None:
    """`one` plus `sign` times `other` at the scrapes of both; None if they share none."""
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
    """Whether both were scraped in the same period; a single sample may still be on its way."""
    several = len(one) > 1 and len(other) > 1
    return several and one[0] <= other[-1] and other[0] <= one[-1]


def _join_of(signal: str, name: str) -> Callable[[Iterable[float]], float]:
    if signal in LARGEST:
        return max
    if signal in SMALLEST:
        return min
    if signal.startswith("x_"):
        raise Refusal(f"{name}: several series become one, and no rule says how to combine them")
    return sum


def _joined(
    join: Callable[[Iterable[float]], float], values: Sequence[float | None]
) -> float | None:
    known = [value for value in values if value is not None]
    return float(join(known)) if len(known) == len(values) else None


def _sorted(values: dict[float, float | None]) -> Points:
    times = sorted(values)
    return tuple(times), tuple(values[t_s] for t_s in times)
