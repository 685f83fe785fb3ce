"""The spans of time in which a drill may begin, from a target's calendar; also as iCalendar. Pure.

`blocked` of the calendar alone decides. Its answer can change only where a window opens or closes,
or a freeze begins or ends, so it is asked once between each two of these moments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from muster.targets.calendar import Calendar, blocked, hours_on, span_of

LINE_BYTES_MAX = 75
"""A longer line of iCalendar is folded (RFC 5545, 3.1)."""


@dataclass(frozen=True)
class Opening:
    """A drill may begin from `start` up to `end`."""

    start: datetime
    end: datetime


def openings(calendar: Calendar | None, at: datetime, days: int) -> list[Opening]:
    """When a drill may begin within `days` from `at` (with its zone), in order and apart."""
    until = at + timedelta(days=days)
    if calendar is None:
        return [Opening(at, until)]
    moments = sorted({at, until, *(m for m in _changes(calendar, at, days) if at < m < until)})
    found: list[Opening] = []
    for start, end in pairwise(moments):
        if blocked(calendar, start + (end - start) / 2):
            continue
        if found and found[-1].end == start:
            found[-1] = Opening(found[-1].start, end)
        else:
            found.append(Opening(start, end))
    return found


def _changes(calendar: Calendar, at: datetime, days: int) -> Iterator[datetime]:
    """Every moment at which the calendar's answer may change."""
    left = timedelta(minutes=calendar.minutes_left_min)
    for freeze in calendar.frozen:
        start, end = span_of(freeze, calendar)
        yield from (start - left, end)
    first: date = at.date() - timedelta(days=2)
    for offset in range(days + 4):
        for hours in calendar.allowed:
            start, end = hours_on(hours, first + timedelta(days=offset), calendar.time_zone)
            yield from (start, end - left)


def icalendar(target: str, found: Sequence[Opening], now: datetime) -> str:
    """The openings as iCalendar (RFC 5545), each an event that does not block anybody's time."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Muster//chaos drill schedule//EN"]
    for one in found:
        about = f"{target} {one.start.isoformat()} {one.end.isoformat()}"
        lines += [
            "BEGIN:VEVENT",
            f"UID:{hashlib.sha256(about.encode()).hexdigest()[:32]}@muster",
            f"DTSTAMP:{_utc(now)}",
            f"DTSTART:{_utc(one.start)}",
            f"DTEND:{_utc(one.end)}",
            f"SUMMARY:A drill may begin on {_text(target)}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    for sign in ("\\", ";", ","):
        value = value.replace(sign, f"\\{sign}")
    return " ".join(value.split())


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of at most 75 bytes, each further one after a space."""
    piece = ""
    for sign in line:
        if len((piece + sign).encode()) > LINE_BYTES_MAX:
            yield piece
            piece = " "
        piece += sign
    yield piece
