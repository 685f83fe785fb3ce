"""When a drill may run: allowed hours and freezes, in a time zone of the IANA database.

Hours are local wall time, before and after a change to daylight saving time. Where the change makes
an hour ambiguous, Muster takes the shorter span for an allowed window and the longer span for a
freeze.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from muster.documents import Document

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AHEAD_DAYS = 800
"""How far ahead to search for the next allowed moment, in days."""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("a time zone of the IANA database, for example Europe/Berlin") from error
    return value


def _hour(value: str) -> str:
    wanted = 'HH:MM in quotes, "00:00" to "24:00"'
    hours, colon, minutes = value.partition(":")
    digits = len(hours) == len(minutes) == 2 and (hours + minutes).isdigit()
    if not (digits and colon and int(minutes) < 60 and int(hours) * 60 + int(minutes) <= 1440):
        raise ValueError(wanted)
    return value


ZoneName = Annotated[str, AfterValidator(_zone)]
Hour = Annotated[str, AfterValidator(_hour)]


class Hours(Document):
    """Hours of some days of the week. `to` at or before `from` is on the next day."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    from_: Hour = Field(alias="from")
    to: Hour


class Freeze(Document):
    """Days or wall times in which no drill may run. If `to` is a day, the whole day is frozen."""

    from_: date | datetime = Field(alias="from")
    to: date | datetime
    why: str = ""


class Calendar(Document):
    """If `allowed` is empty, every hour that is not frozen is allowed."""

    time_zone: ZoneName
    allowed: tuple[Hours, ...] = ()
    frozen: tuple[Freeze, ...] = ()
    minutes_left_min: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="a drill begins only if at least this much allowed time is left"
    )


def blocked(calendar: Calendar | None, at: datetime) -> str:
    """Why no drill may begin at `at` (with its zone); empty if one may."""
    if calendar is None:
        return ""
    until = at + timedelta(minutes=calendar.minutes_left_min)
    for freeze in calendar.frozen:
        start, end = span_of(freeze, calendar)
        if start <= until and at < end:
            why = f" ({freeze.why})" if freeze.why else ""
            return f"frozen from {shown(start, calendar)} to {shown(end, calendar)}{why}"
    if not calendar.allowed:
        return ""
    for start, end in _open(calendar, at):
        if start <= at and until <= end:
            return ""
    left = f" with {calendar.minutes_left_min:g} minutes left" if calendar.minutes_left_min else ""
    return f"{shown(at, calendar)} is outside the allowed hours{left}"


def next_start(calendar: Calendar | None, at: datetime) -> datetime | None:
    """The first moment from `at` on at which a drill may begin; None if the search finds none.

    Only the moments at which a window opens or a freeze ends need to be checked.
    """
    if not blocked(calendar, at) or calendar is None:
        return at
    moments = [span_of(freeze, calendar)[1] for freeze in calendar.frozen]
    moments += [start for start, _ in _open(calendar, at, AHEAD_DAYS)]
    return next(
        (moment for moment in sorted(moments) if moment > at and not blocked(calendar, moment)),
        None,
    )


def span_of(freeze: Freeze, calendar: Calendar) -> tuple[datetime, datetime]:
    """The start and the end of the freeze."""
    zone = ZoneInfo(calendar.time_zone)
    start, end = freeze.from_, freeze.to
    if not isinstance(start, datetime):
        start = datetime.combine(start, time())
    if not isinstance(end, datetime):
        end = datetime.combine(end + timedelta(days=1), time())
    return _moment(start, zone, late=False), _moment(end, zone, late=True)


def shown(moment: datetime, calendar: Calendar) -> str:
    """A moment as local people write it."""
    return f"{moment.astimezone(ZoneInfo(calendar.time_zone)):%a %Y-%m-%d %H:%M %Z}"


def _open(
    calendar: Calendar, at: datetime, days_ahead: int = 9
) -> Iterator[tuple[datetime, datetime]]:
    """Allowed spans around and after `at`, in order, with adjoining ones joined."""
    zone = ZoneInfo(calendar.time_zone)
    today = at.astimezone(zone).date()
    spans: list[tuple[datetime, datetime]] = []
    for offset in range(-2, days_ahead):
        day = today + timedelta(days=offset)
        for hours in calendar.allowed:
            if DAYS[day.weekday()] in hours.days:
                spans.append(_span(hours, day, zone))
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return iter(joined)


def _span(hours: Hours, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    start, end = _at(day, hours.from_), _at(day, hours.to)
    if end <= start:
        end += timedelta(days=1)
    return _moment(start, zone, late=True), _moment(end, zone, late=False)


def _at(day: date, hour: str) -> datetime:
    hours, minutes = map(int, hour.split(":"))
    return datetime.combine(day, time()) + timedelta(hours=hours, minutes=minutes)


def _moment(wall: datetime, zone: ZoneInfo, *, late: bool) -> datetime:
    """`wall` time as one moment; if it is ambiguous, the earlier or the later one."""
    if wall.tzinfo is not None:
        return wall.astimezone(UTC)
    moments = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return max(moments) if late else min(moments)


def hours_on(hours: Hours, day: date, zone: str) -> tuple[datetime, datetime]:
    """The start and the end of `hours` on `day` in `zone`; the shorter span if the clocks change.

    If the end is at or before the start, the change of the clocks removed the whole span.
    """
    return _span(hours, day, ZoneInfo(zone))
