"""Peak hours on one line, `mon-fri 14:00-16:00 Europe/Berlin`, and their past occurrences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast, get_args
from zoneinfo import ZoneInfo

from muster.documents import Document, parse
from muster.errors import BadInput
from muster.targets.calendar import DAYS, Day, Hours, ZoneName, hours_on

FORM = "DAYS HH:MM-HH:MM ZONE, for example 'mon-fri 14:00-16:00 Europe/Berlin'"


class PeakHours(Document):
    """Hours of some days of the week in a time zone."""

    hours: Hours
    zone: ZoneName


@dataclass(frozen=True)
class Occurrence:
    """One occurrence of the hours, from `start_s` to `end_s` since the epoch; `name` is its day."""

    name: str
    start_s: float
    end_s: float


def parse_peak(text: str, option: str = "--window") -> PeakHours:
    """Parse `text` as peak hours. Raises BadInput that names `option`."""
    words = text.split()
    if len(words) != 3 or words[1].count("-") != 1:
        raise BadInput(option, "", text, FORM)
    start, end = words[1].split("-")
    days = _days(words[0].lower())
    if days is None:
        raise BadInput(option, "days", words[0], f"days such as mon-fri, sat,sun or daily; {FORM}")
    document = {"hours": {"days": list(days), "from": start, "to": end}, "zone": words[2]}
    return parse(PeakHours, document, option)


def occurrences(peak: PeakHours, now: datetime, days: int) -> tuple[list[Occurrence], list[str]]:
    """The occurrences in the last `days` days that have ended, oldest first, and the days without
    one.

    `now` has a time zone.
    """
    today = now.astimezone(ZoneInfo(peak.zone)).date()
    earliest = now - timedelta(days=days)
    found: list[Occurrence] = []
    left_out: list[str] = []
    for back in range(days + 1, -1, -1):
        day = today - timedelta(days=back)
        if DAYS[day.weekday()] not in peak.hours.days:
            continue
        start, end = hours_on(peak.hours, day, peak.zone)
        if start < earliest or end > now:
            continue
        if end <= start:
            left_out.append(
                f"{day:%a %Y-%m-%d}: a change of the clocks leaves nothing of the hours"
            )
            continue
        found.append(Occurrence(f"{day:%a %Y-%m-%d}", start.timestamp(), end.timestamp()))
    return found, left_out


def shown_utc(t_s: float) -> str:
    """A moment as text, in UTC."""
    return f"{datetime.fromtimestamp(t_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _days(text: str) -> tuple[Day, ...] | None:
    if text == "daily":
        return DAYS
    found: list[Day] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in get_args(Day) or last not in get_args(Day):
            return None
        at = DAYS.index(cast(Day, first))
        while True:
            found.append(DAYS[at % 7])
            if DAYS[at % 7] == last:
                break
            at += 1
    return tuple(day for day in DAYS if day in found)
