"""Decides whether a deployment may go on, by the five rollback triggers on the platform's samples.

Pure: samples of a stretch of time in, one answer out. The triggers are the guard's own. This module
adds what a promotion needs besides: proof that each trigger could have fired.

- `roll_back`: a trigger fired on valid samples, whatever else is unknown.
- `unknown`: nothing fired, but a trigger might have fired in unseen time, or it had nothing to
  judge.
- `held`: nothing fired, and nothing would have fired even if all unknown time had been in breach.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from muster.guard.promotion_rows import Row, Rules, State, codes_wrong, rows_of
from muster.guard.rate_triggers import RATE_SLOS, WindowCounts
from muster.guard.triggers import Fresh, Guard, Trip

__all__ = [
    "SIGNALS",
    "Answer",
    "Row",
    "Rules",
    "State",
    "as_json",
    "judge_promotion",
    "too_short",
]

SIGNALS = ("requests", "streams_broken", "queue_age", "circuit_open", "admission_failures")
"""The platform's signals that the triggers need; `streams_broken` if the target names it."""
RotationLog = Sequence[tuple[float, frozenset[str]]]
"""Which regions were in rotation from which moment on (seconds since the epoch, ascending)."""


@dataclass(frozen=True)
class Answer:
    """The answer for the time from `start_s` to `end_s`; `unknown` and `not_judged` are reasons."""

    state: State
    start_s: float
    end_s: float
    rotation: tuple[str, ...]
    rows: tuple[Row, ...]
    unknown: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()


def judge_promotion(
    rules: Rules, series: Sequence[Fresh], start_s: float, end_s: float, rotation: RotationLog
) -> Answer:
    """Judge `series`, which must hold samples from somewhat before `start_s` on.

    A region is judged from when it came into rotation.
    """
    closed: list[WindowCounts] = []
    trips = _replayed(rules, series, start_s, end_s, rotation, closed.append)
    entered = _entered(rotation, start_s, end_s)
    rows: list[Row] = []
    for region in sorted(entered):
        own = [one for one in series if one[2].get("region") == region]
        span = (entered[region], end_s)
        rows += rows_of(rules, region, own, closed, span)
    # A rate computed from invalid codes is no valid data, whatever its value.
    trips = [
        trip
        for trip in trips
        if trip.name not in RATE_SLOS
        or not codes_wrong([one for one in series if one[2].get("region") == trip.region])
    ]
    fired = [_fired(trip) for trip in trips if trip.kind == "trigger"]
    told = {(row.trigger, row.region) for row in fired}
    rows = fired + [row for row in rows if (row.trigger, row.region) not in told]
    unknown = [f"{row.trigger} in {row.region}: {row.detail}" for row in rows if _open(row)]
    unknown += [
        f"{trip.name} in {trip.region}: {trip.detail}"
        for trip in trips
        if trip.kind == "data_lost" and trip.source == "server" and trip.region in entered
    ]
    if not entered:
        unknown.append("no region is in rotation")
    state: State = "roll_back" if fired else "unknown" if unknown else "held"
    not_judged = [] if rules.streams_broken_named or "streams_broken" in rules.declared else [
        "streams cut after status 200: the target names no signal streams_broken"
    ]  # fmt: skip
    not_judged += [
        f'{name}: declared none: "{reason}"' for name, reason in sorted(rules.declared.items())
    ]
    unknown_once = tuple(dict.fromkeys(unknown))
    return Answer(
        state, start_s, end_s, tuple(sorted(entered)), tuple(rows), unknown_once, tuple(not_judged)
    )


def _open(row: Row) -> bool:
    return row.state == "unknown"


def _fired(trip: Trip) -> Row:
    since_s = trip.windows[0][0] if trip.windows else trip.t_trip_s
    return Row(trip.name, trip.region or "", "roll_back", trip.detail, since_s)


def _replayed(
    rules: Rules,
    series: Sequence[Fresh],
    start_s: float,
    end_s: float,
    rotation: RotationLog,
    on_window: Callable[[WindowCounts], None],
) -> list[Trip]:
    """Feed these samples to the guard window by window, without limits; return its trips."""
    guard = Guard(
        rules.contract,
        rules.gate,
        rules.tier,
        time_scale=1.0,
        regions=rules.regions,
        stale_s=rules.stale_s,
        on_window=on_window,
        declared_none=frozenset(rules.declared),
    )
    trips: list[Trip] = []
    # From before the start only each series' last sample is needed: its value at the start.
    fresh = [cut for one in series if (cut := _last(one, start_s)) is not None]
    before_s, now_s = start_s, start_s
    while True:
        regions = _rotation_at(rotation, now_s)
        trips += guard.push(fresh, now_s, rotation=regions, declared=())
        if now_s >= end_s:
            return [trip for trip in trips if trip.kind != "limit"]
        before_s, now_s = now_s, min(end_s, now_s + rules.contract.triggers.window_s)
        fresh = [cut for one in series if (cut := _between(one, before_s, now_s)) is not None]


def _between(one: Fresh, after_s: float, until_s: float) -> Fresh | None:
    signal, name, labels, t_s, v = one
    low, high = bisect_right(t_s, after_s), bisect_right(t_s, until_s)
    return None if low == high else (signal, name, labels, t_s[low:high], v[low:high])


def _last(one: Fresh, until_s: float) -> Fresh | None:
    signal, name, labels, t_s, v = one
    at = bisect_right(t_s, until_s)
    return None if not at else (signal, name, labels, t_s[at - 1 : at], v[at - 1 : at])


def _rotation_at(rotation: RotationLog, t_s: float) -> frozenset[str]:
    index = bisect_right([since_s for since_s, _ in rotation], t_s) - 1
    return rotation[max(index, 0)][1] if rotation else frozenset()


def _entered(rotation: RotationLog, start_s: float, end_s: float) -> dict[str, float]:
    """Since when each region that is in rotation at the end has been so, from `start_s` on."""
    found: dict[str, float] = {}
    for region in _rotation_at(rotation, end_s):
        since_s = start_s
        for t_s, regions in rotation:
            if region not in regions:
                since_s = end_s
            elif since_s == end_s:
                since_s = max(start_s, t_s)
        found[region] = since_s
    return found


def too_short(rules: Rules, watched_s: float) -> list[str]:
    """The triggers that could not have fired in `watched_s` seconds."""
    return [name for name, after_s in rules.fires_after_s.items() if watched_s < after_s]


def as_json(answer: Answer, **more: object) -> Mapping[str, object]:
    """The answer for machines; `state` decides, `held` is true for that state alone."""
    return {
        "schema_version": 1,
        "state": answer.state,
        "held": answer.state == "held",
        "from_s": round(answer.start_s, 3),
        "to_s": round(answer.end_s, 3),
        "regions": list(answer.rotation),
        "triggers": [
            {
                "trigger": row.trigger,
                "region": row.region,
                "state": row.state,
                "detail": row.detail,
                "since_s": None if row.since_s is None else round(row.since_s, 3),
            }
            for row in answer.rows
        ],
        "unknown": list(answer.unknown),
        "not_judged": list(answer.not_judged),
        **more,
    }
