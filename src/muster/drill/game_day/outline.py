"""A whole day before it begins: when each drill begins and ends, and what speaks against it.

Lengths are the estimates of each drill's own plan, and what lies between two drills.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.drill.game_day.journal import ended_of
from muster.drill.game_day.model import Day, Entry
from muster.drill.plan import cost
from muster.drill.plan.enough import too_few
from muster.drill.plan.outline import steps_of
from muster.drill.plan.permit import objections
from muster.drill.plan.plan import DrillPlan
from muster.errors import DrillAborted, MusterError
from muster.platform import platform_of
from muster.targets.calendar import Calendar, blocked, next_start, shown

BETWEEN_S = 15.0
"""To judge a bundle and to start the next drill, beside the time that signals must be quiet."""
RIG_S = 30.0
"""To start a testbed."""
STEP = timedelta(minutes=15)
LOOK_AHEAD = 4 * 24 * 31
"""How many steps to look ahead for a window that holds the whole day: a month."""


@dataclass(frozen=True)
class Slot:
    """One drill: `begin_s` and `end_s` after the day's start, `between_s` the check after it."""

    entry: Entry
    begin_s: float
    end_s: float
    between_s: float
    tokens: float
    money: float | None


@dataclass(frozen=True)
class Outline:
    """The day in times. `refused`: each reason why it may not begin now, naming its drill.

    `ended`: drills of a day to be continued that are not run again, by number.
    """

    day: Day
    start: datetime
    slots: tuple[Slot, ...]
    ended: frozenset[int] = frozenset()
    refused: tuple[MusterError, ...] = ()

    @property
    def length_s(self) -> float:
        """About how long the whole day takes, in seconds."""
        return max((one.end_s + one.between_s for one in self.slots), default=0.0)

    def lines(self) -> Iterator[str]:
        """The day for a person, line by line."""
        day, target = self.day, self.day.target
        count = len(day.entries)
        plan = day.entries[0].plan
        yield f"{day.name} on target {target.name} ({target.class_}), evidence for no gate"
        yield f"{count} drills, one after the other; after one that did not pass: {day.on_fail}"
        yield (
            f"settings: profile {plan.profile.name}, scale {plan.settings.scale:g}, time scale "
            f"{plan.time_scale:g}, seed {plan.settings.seed}"
        )
        width = max(len(one.file) for one in day.entries)
        for entry in day.entries:
            if entry.number in self.ended:
                yield f"{entry.number:2} {entry.file:{width}}  has ended, and is not run again"
        for one in self.slots:
            yield (
                f"{one.entry.number:2} {one.entry.file:{width}}  from {_offset(one.begin_s)} "
                f"({self.at(one.begin_s):%H:%M}) to {_offset(one.end_s)}, about "
                f"{(one.end_s - one.begin_s) / 60:.1f} min"
            )
        most_s = max(one.listed.recovery_s_max for one in day.entries)
        yield (
            f"after each one about {_between_s(plan):.0f} s until everything is seen to be "
            f"as before; not within {most_s:g} s: the day stops"
        )
        yield (
            f"in all: about {self.length_s / 60:.0f} min, until {self.at(self.length_s):%H:%M} UTC "
            f"if it begins now; {sum(one.tokens for one in self.slots):,.0f} tokens{self._money()}"
        )
        yield from (f"REFUSED at present: {error}" for error in self.refused)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values. Times in seconds after the day's start."""
        return {
            "schema_version": 1,
            "day": self.day.name,
            "target": self.day.target.name,
            "target_class": self.day.target.class_,
            "on_fail": self.day.on_fail,
            "ended": sorted(self.ended),
            "begins": self.start.isoformat(timespec="seconds"),
            "drills": [
                {
                    "number": one.entry.number,
                    "file": one.entry.file,
                    "drill": one.entry.plan.drill,
                    "begin_s": round(one.begin_s),
                    "end_s": round(one.end_s),
                    "recovery_s_max": one.entry.listed.recovery_s_max,
                }
                for one in self.slots
            ],
            "totals": {
                "seconds": round(self.length_s),
                "tokens": round(sum(one.tokens for one in self.slots)),
            },
            "refused": [str(error) for error in self.refused],
        }

    def at(self, seconds: float) -> datetime:
        """The moment that many seconds after the day's start, in UTC."""
        return self.start + timedelta(seconds=seconds)

    def _money(self) -> str:
        price = self.day.target.load.cost
        known = [one.money for one in self.slots if one.money is not None]
        return f", {sum(known):,.2f} {price.currency}" if price and known else ""


def outline(day: Day, clock: Clock = SYSTEM_CLOCK) -> Outline:
    """The day, if it began or was continued now. Asks and starts nothing.

    Raises BadInput for an unusable prompt.
    """
    start, ended = utc(clock), ended_of(day, clock)
    slots: list[Slot] = []
    at_s = RIG_S if day.target.class_ == "testbed" else 0.0
    for entry in day.entries:
        if entry.number in ended:
            continue
        found = cost.estimate(entry.plan)
        end_s, between_s = at_s + found.held_s + found.assumed_s, _between_s(entry.plan)
        slots.append(Slot(entry, at_s, end_s, between_s, found.tokens, found.money))
        at_s = end_s + between_s
    made = Outline(day, start, tuple(slots), ended)
    return replace(made, refused=tuple(_refused(made)))


def check_begins(day: Day, clock: Clock = SYSTEM_CLOCK) -> Outline:
    """The day's outline. Raises BadInput or DrillAborted for the first reason not to begin now."""
    made = outline(day, clock)
    for error in made.refused:
        raise error
    return made


def length_s(plan: DrillPlan) -> float:
    """About how long a drill takes, in seconds."""
    found = cost.estimate(plan)
    return found.held_s + found.assumed_s


def _between_s(plan: DrillPlan) -> float:
    """About how long the check after a drill takes, in seconds."""
    return float(plan.contract.drill.recovery_quiet_s) / plan.time_scale + BETWEEN_S


def _refused(made: Outline) -> Iterator[MusterError]:
    """What speaks against each drill, and against the whole day in its calendar."""
    for one in made.slots:
        plan = one.entry.plan
        try:
            held = plan.holds_connections
            steps = steps_of(platform_of(plan.target), plan.method, plan.time_scale, held=held)
            against = [error for name, error in objections(plan, steps) if name != "calendar"]
        except MusterError as error:
            against = [error]
        if not against and (few := too_few(plan)):
            against = [DrillAborted("preflight:load_size", few)]
        yield from (_of_file(one.entry.file, error) for error in against)
    target = made.day.target
    calendar = target.calendar
    if calendar is not None and (why := _outside(made, calendar, made.start)):
        yield DrillAborted("preflight:calendar", f"target {target.name}: {why}")


def _of_file(file: str, error: MusterError) -> MusterError:
    """The same error; its line names the drill that it is about."""
    if file not in str(error):
        error.args = (f"{file}: {error}",)
    return error


def _outside(made: Outline, calendar: Calendar, start: datetime) -> str:
    """Why the day does not fit the calendar, and when it would; empty if it fits."""
    why = _blocked(made, calendar, start)
    if not why:
        return ""
    # The next opening if none is open; else quarters of an hour, at which windows use to open.
    moment = next_start(calendar, start) or start
    if moment == start:
        moment = start.replace(minute=0, second=0, microsecond=0)
    for _ in range(LOOK_AHEAD):
        if moment >= start and not _blocked(made, calendar, moment):
            return f"{why}; the day fits next: {shown(moment, calendar)}"
        moment += STEP
    return f"{why}; a day of {made.length_s / 60:.0f} min fits in no window of the next month"


def _blocked(made: Outline, calendar: Calendar, start: datetime) -> str:
    """Why a drill may not begin at its time, or the day not run until its end."""
    for one in made.slots:
        at = start + timedelta(seconds=one.begin_s)
        if why := blocked(calendar, at):
            return f"{one.entry.file} at {shown(at, calendar)}: {why}"
    end = start + timedelta(seconds=made.length_s)
    if why := blocked(calendar.model_copy(update={"minutes_left_min": 0.0}), end):
        return f"the day's end at {shown(end, calendar)}: {why}"
    return ""


def _offset(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"+{minutes}:{left:02}"
