"""The moments that matter when a drill ends: trip, decision, weights back, split back. Pure.

Each comes once, at the time at which it happened. The ledger records some of them later: a trip is
known from the sample that showed it, and `stopped` is written when everything is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster.reports.model import Moment
from muster.reports.numbers import number, offset, utc
from muster.reports.sentences import stopper
from muster.reports.words import one_line

Event = Mapping[str, Any]
_SPLIT_BACK = ("trip_to_restored_s", "restore_s", "back_s")


def fired(event: Event) -> bool:
    """Whether a trigger or limit fired that no declared fault explains."""
    return event.get("event") in ("trigger", "limit") and event.get("expected") is not True


def trip_key(event: Event) -> tuple[Any, ...]:
    """Two records of one trip have the same key."""
    kind = str(event.get("event"))
    return kind, event.get(kind), event.get("region"), event.get("t_trip"), event.get("expected")


def decided(events: Sequence[Event]) -> tuple[float | None, Event | None]:
    """When it was decided to stop the drill, and the event that says why.

    The decision is the first record of a trip; without one it is the time that `stopped` names.
    """
    stop = next((event for event in events if event.get("event") == "stopped"), None)
    trip = next((event for event in events if fired(event)), None)
    if stop is None:
        return None, None
    caused = trip is not None and str(stop.get("by")).startswith(("trigger", "limit"))
    first = number(trip.get("t")) if trip is not None and caused else None
    times = (first, number(stop.get("t_trip")), number(stop.get("t")))
    return next((t for t in times if t is not None), None), stop


def moments(events: Sequence[Event], start_s: float | None) -> tuple[Moment, ...]:
    """The moments that the ledger shows, in order of time."""
    found: list[tuple[float, str, str, Any]] = []

    def add(t_s: float | None, label: str, text: str, event: Event) -> None:
        if t_s is not None:
            found.append((t_s, label, text, event.get("seq")))

    trip = next((event for event in events if fired(event)), None)
    if trip is not None:
        name = one_line(trip.get(str(trip.get("event"))), 80)
        where = one_line(trip.get("region"), 80)
        at = number(trip.get("t_trip"))
        said = f"the sample that {name} fired on" + (f", {where}" if where else "")
        add(number(trip.get("t")) if at is None else at, "Trip", said, trip)
    when, stop = decided(events)
    if stop is not None:
        add(when, "Decision", f"to stop: {stopper(one_line(stop.get('by'), 120))}", stop)
    else:
        begun = next((e for e in events if e.get("event") == "step"), None)
        if begun is not None:
            add(number(begun.get("t")), "Decision", "first change of the weights", begun)
    back = _weights_back(events, stopped=stop is not None)
    if back is not None:
        said = "as before the drill" + ("" if stop is None else ", read back")
        add(number(back.get("t")), "Weights back", said, back)
    elif stop is not None or not any(e.get("event") == "step" for e in events):
        read = [e for e in events if e.get("event") == "verify" and e.get("verified") is True]
        if read:
            add(number(read[-1].get("t")), "Changes back", "read from the real systems", read[-1])
    split = [e for e in events if e.get("event") == "timing" and e.get("name") in _SPLIT_BACK]
    if split:
        add(number(split[-1].get("t")), "Split back", "new streams split as before", split[-1])
    return tuple(
        Moment(label, utc(t_s, date=False), offset(t_s, start_s), text, t_s, number(seq))
        for t_s, label, text, seq in sorted(found, key=lambda one: one[0])
    )


def _weights_back(events: Sequence[Event], *, stopped: bool) -> Event | None:
    """The event at which the weights were as before: the last step, or the entry that was undone.

    The steering's entry is the first that a drill opens before its first step, but for its own rig.
    """
    steps = [e for e in events if e.get("event") == "step"]
    if not steps:
        return None
    if not stopped:
        before = next((e.get("weights") for e in events if e.get("event") == "drill_started"), None)
        last = steps[-1]
        return last if before is None or _same(before, last.get("weights")) else None
    opened = _before(events, steps[0])
    entry = next(
        (
            e.get("entry_id")
            for e in opened
            if e.get("event") == "undo" and e.get("entry_id") and not e.get("rig")
        ),
        None,
    )
    done = [
        e
        for e in events
        if e.get("event") == "undo" and e.get("state") == "done" and e.get("entry_id") == entry
    ]
    return done[0] if entry and done else None


def _same(before: Any, now: Any) -> bool:
    if not isinstance(before, dict) or not isinstance(now, dict) or not before or not now:
        return not before or not now
    whole, total = sum(before.values()), sum(now.values())
    if not whole or not total:
        return False
    return all(abs(before[k] / whole - now.get(k, 0) / total) < 0.02 for k in before)


def _before(events: Sequence[Event], end: Event) -> Iterable[Event]:
    for event in events:
        if event is end:
            return
        yield event
