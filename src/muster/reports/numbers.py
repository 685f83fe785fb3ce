"""Numbers as a reader sees them.

An unknown value is "no data", never 0. A measured value is never rounded onto its threshold: digits
are added until the two differ, so that 4.0004 % over a limit of 4 % reads as over it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

NO_DATA = "no data"
_NBSP = "\N{NO-BREAK SPACE}"
_DIGITS_MAX = 8
_SUFFIX = {
    "s": "s",
    "ms": "ms",
    "streams": "streams",
    "points": "points",
    "requests": "requests",
    "attempts": "attempts",
}
_SHARES = {"share", "ratio", "fraction"}


def number(value: Any) -> float | None:
    """`value` as a finite float, else None: booleans, text that is not a number, NaN and
    infinity.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and "/" in value:
        above, _, below = value.partition("/")
        upper, lower = number(above), number(below)
        return upper / lower if upper is not None and lower else None
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def quantity(value: Any, unit: str | None, *, apart_from: Any = None, signed: bool = False) -> str:
    """`value` in `unit` ("share" reads as per cent), with enough digits to differ from
    `apart_from`.
    """
    known = number(value)
    if known is None:
        return NO_DATA
    other = number(apart_from)
    digits = _digits(known, unit)
    text = _plain(known, unit, digits, signed)
    while other is not None and other != known and digits < _DIGITS_MAX:
        if text.lstrip("+-") != _plain(other, unit, digits, False).lstrip("+-"):
            break
        digits += 1
        text = _plain(known, unit, digits, signed)
    return text


def limit(value: Any, unit: str | None) -> str:
    """A threshold, with as many digits as it has."""
    known = number(value)
    if known is None:
        return NO_DATA
    scaled = known * 100 if unit in _SHARES else known
    return f"{scaled:,.10g}" + _tail(unit)


def span(low: float, high: float, unit: str | None) -> str:
    """A value that is known to lie between two edges: 0.3–0.4 s."""
    return limit(low, unit).removesuffix(_tail(unit)) + "–" + limit(high, unit)


def count(value: Any) -> str:
    """A whole number with thousands separators, or "no data"."""
    known = number(value)
    return NO_DATA if known is None else f"{known:,.0f}"


def seconds(value: Any) -> str:
    """A duration: 0.42 s, 12.3 s, 4 min 5 s."""
    known = number(value)
    if known is None:
        return NO_DATA
    if abs(known) < 9.95:
        return f"{known:.2f}{_NBSP}s"
    if abs(known) < 119.95:
        return f"{known:.1f}{_NBSP}s"
    hours, rest = divmod(round(known), 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours}{_NBSP}h"] if hours else []
    parts.append(f"{minutes}{_NBSP}min")
    if left and not hours:
        parts.append(f"{left}{_NBSP}s")
    return " ".join(parts)


def epoch(value: Any) -> float | None:
    """Seconds since the epoch from a number or an ISO 8601 text; None if it is neither."""
    known = number(value)
    if known is not None:
        return known
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def utc(t_s: float | None, *, date: bool = True) -> str:
    """A moment in UTC, to the second."""
    if t_s is None:
        return NO_DATA
    try:
        moment = datetime.fromtimestamp(t_s, UTC)
    except (OverflowError, OSError, ValueError):
        return NO_DATA
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if date else "%H:%M:%S")


def offset(t_s: float | None, start_s: float | None) -> str:
    """How long after the start, in seconds: "+12.3 s"."""
    if t_s is None or start_s is None:
        return NO_DATA
    return f"{t_s - start_s:+.1f}{_NBSP}s"


def _digits(value: float, unit: str | None) -> int:
    if unit in _SHARES or unit == "%":
        return 2
    if unit in {"s", "ms"}:
        return 3 if abs(value) < 10 and unit == "s" else 1
    return 0 if value == int(value) else 2


def _plain(value: float, unit: str | None, digits: int, signed: bool) -> str:
    scaled = value * 100 if unit in _SHARES else value
    sign = "+" if signed else ""
    points = signed and (unit in _SHARES or unit == "%")
    tail = _NBSP + "points" if points else _tail(unit)
    return f"{scaled:{sign},.{digits}f}{tail}"


def _tail(unit: str | None) -> str:
    if unit in _SHARES:
        return _NBSP + "%"
    if unit in {"%"}:
        return _NBSP + "%"
    if not unit or unit in {"count", "1", "none"}:
        return ""
    return _NBSP + _SUFFIX.get(unit, unit)
