"""Axes: round numbers for values, months or days for time. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

DAY_S = 86_400.0
_STEPS_DAYS = (1, 2, 7, 14)
TICKS_MAX = 6
_SPAN_MIN = 1e-9
"""Values closer than this are one value."""


def value_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, in equal steps."""
    span = high - low
    if span < max(_SPAN_MIN, _SPAN_MIN * abs(high)):
        span = max(abs(high), 1.0)
    step = 10.0 ** math.floor(math.log10(span / most))
    step *= next(k for k in (1, 2, 5, 10) if span / (k * step) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def time_ticks(start_s: float, end_s: float) -> list[tuple[float, str]]:
    """Moments between the two with their labels: starts of months, or of days for a short span."""
    start, end = (datetime.fromtimestamp(t, UTC) for t in (start_s, end_s))
    days = (end_s - start_s) / DAY_S
    if days < 1:
        return [(start_s, f"{start:%d %b %H:%M}"), (end_s, f"{end:%H:%M}")] if days else []
    if days < 60:
        step = next((k for k in _STEPS_DAYS if days / k < TICKS_MAX), 14)
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        moments = [midnight + timedelta(days=1 + step * k) for k in range(int(days / step) + 1)]
        return [(m.timestamp(), f"{m.day} {m:%b}") for m in moments if m <= end]
    months = [
        datetime(start.year + (start.month + k) // 12, (start.month + k) % 12 + 1, 1, tzinfo=UTC)
        for k in range(int(days / 28) + 2)
    ]
    inside = [m for m in months if m <= end]
    every = inside[:: math.ceil(len(inside) / TICKS_MAX) or 1]
    return [
        (m.timestamp(), f"{m:%b %Y}" if m.month == 1 or m is every[0] else f"{m:%b}") for m in every
    ]
