"""The ledger as a readable timeline, and as marks on the charts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from muster.reports.loss import pinned_sentence
from muster.reports.model import Mark, Moment, PhaseRow, TimelineRow, TripRow
from muster.reports.moments import decided, fired, trip_key
from muster.reports.numbers import NO_DATA, number, offset, seconds, utc
from muster.reports.sentences import stopper
from muster.reports.words import one_line

Event = Mapping[str, Any]


def phases(events: Sequence[Event], start_s: float | None) -> tuple[PhaseRow, ...]:
    """The phases in the order in which they began. One that never ended says so."""
    rows: list[PhaseRow] = []
    for index, event in enumerate(events):
        if event.get("event") != "phase_started":
            continue
        name = one_line(event.get("phase"), 80)
        end = _end_of(name, events[index + 1 :])
        t0, t1 = number(event.get("t")), number(end.get("t")) if end else None
        length = seconds(t1 - t0) if t0 is not None and t1 is not None else NO_DATA
        rows.append(
            PhaseRow(
                name=name,
                tier=one_line(event.get("tier"), 20) or None,
                outcome=one_line(end.get("outcome"), 40) if end else "did not end",
                start_s=t0,
                end_s=t1,
                start=utc(t0, date=False),
                start_offset=offset(t0, start_s),
                length=length,
            )
        )
    return tuple(rows)


def timeline(events: Sequence[Event], start_s: float | None) -> tuple[TimelineRow, ...]:
    """The events in order of time, each once, without samples and findings.

    A trip stands at the sample that showed it, and the stop at its decision, not where the ledger
    records them.
    """
    when, stop = decided(events)
    rows: list[tuple[float, TimelineRow]] = []
    for event in once(events):
        told = _told(event)
        if told is None:
            continue
        kind, text = told
        t_s = number(event.get("t_trip")) if kind == "trip" else when if event is stop else None
        t_s = number(event.get("t")) if t_s is None else t_s
        row = TimelineRow(
            utc(t_s, date=False),
            offset(t_s, start_s),
            kind,
            one_line(text, 400),
            number(event.get("seq")),
        )
        place = t_s if t_s is not None else rows[-1][0] if rows else -math.inf
        rows.append((place, row))
    return tuple(row for _, row in sorted(rows, key=lambda one: one[0]))


def once(events: Sequence[Event]) -> list[Event]:
    """The events without repetitions: a trip recorded twice, and each but the last of the proofs
    of one fault that say the same.
    """
    last = {_proof_key(e): i for i, e in enumerate(events) if e.get("event") == "fault_proof"}
    kept, seen = [], set()
    for index, event in enumerate(events):
        if event.get("event") == "fault_proof" and last[_proof_key(event)] != index:
            continue
        if event.get("event") in ("trigger", "limit"):
            key = repr(trip_key(event))
            if key in seen:
                continue
            seen.add(key)
        kept.append(event)
    return kept


def _proof_key(event: Event) -> tuple[str, str, bool]:
    proven = event.get("proven") is True
    return str(event.get("fault")), str(event.get("region")), proven


def trips(events: Sequence[Event], start_s: float | None) -> tuple[TripRow, ...]:
    """Triggers and limits that fired: when, and on what."""
    rows = []
    for event in once(events):
        kind = event.get("event")
        if kind not in ("trigger", "limit"):
            continue
        t_s = number(event.get("t_trip"))
        t_s = number(event.get("t")) if t_s is None else t_s
        rows.append(
            TripRow(
                name=one_line(event.get(str(kind)) or event.get("name"), 80),
                kind=str(kind),
                region=one_line(event.get("region"), 80) or "all regions",
                at=utc(t_s, date=False),
                offset=offset(t_s, start_s),
                detail=_trip_detail(event),
                expected=event.get("expected") is True,
            )
        )
    return tuple(rows)


def marks(
    events: Sequence[Event], moments: Sequence[Moment], evacuated: str | None
) -> tuple[Mark, ...]:
    """What the charts mark, in order of time: steps of the weights, faults, trips, and the moments
    at which a drill was stopped and was back.
    """
    found = []
    for event in once(events):
        t_s = number(event.get("t"))
        kind = event.get("event")
        if t_s is None:
            continue
        where = one_line(event.get("region"), 40)
        if kind == "step":
            found.append(Mark(t_s, f"weights: {_step_label(event, evacuated)}", "step"))
        elif kind in ("fault_applied", "fault_reverted"):
            done = "applied" if kind == "fault_applied" else "reverted"
            text = f"{one_line(event.get('fault'), 40)} {done}" + (f", {where}" if where else "")
            found.append(Mark(t_s, text, "fault"))
        elif kind == "rig_blackout" and number(event.get("seconds")):
            found += _blackouts(event)
        elif fired(event):
            at = number(event.get("t_trip"))
            name = one_line(event.get(str(kind)), 60)
            found.append(Mark(t_s if at is None else at, f"trip: {name}", "trip"))
    stopped = any(moment.label == "Decision" and "stop" in moment.text for moment in moments)
    if stopped:
        by = [m for m in moments if m.label == "Decision"]
        found += [Mark(m.t_s, f"decision {m.text}", "trip") for m in by]
    back = [m for m in moments if m.label.endswith(" back")]
    steps = {round(mark.t_s, 2) for mark in found if mark.kind == "step"}
    found += [Mark(m.t_s, m.label.lower(), "back") for m in back if round(m.t_s, 2) not in steps]
    return tuple(sorted(found, key=lambda mark: mark.t_s))


def _blackouts(event: Event) -> list[Mark]:
    """When each period began in which the rig itself was pinned."""
    spans = [span for span in event.get("spans") or () if isinstance(span, dict)]
    told = [(number(span.get("from")), number(span.get("pinned_s"))) for span in spans]
    return [
        Mark(start_s, f"rig pinned {pinned_s:.1f} s", "rig")
        for start_s, pinned_s in told
        if start_s is not None and pinned_s is not None
    ]


def _end_of(name: str, later: Sequence[Event]) -> Event | None:
    for event in later:
        if event.get("event") == "phase_ended" and one_line(event.get("phase"), 80) == name:
            return event
        if event.get("event") == "phase_started" and one_line(event.get("phase"), 80) == name:
            return None
    return None


def _told(event: Event) -> tuple[str, str] | None:
    region = one_line(event.get("region"), 80)
    where = region or "all regions"
    fault = one_line(event.get("fault"), 80)
    match event.get("event"):
        case "drill_started":
            return "drill", "The drill started."
        case "drill_ended":
            return "drill", "The drill ended."
        case "load_started":
            return "drill", f"Load started ({one_line(event.get('shards'), 40)} shards)."
        case "load_ended":
            return "drill", "Load ended."
        case "phase_started":
            return "phase", f"Phase {one_line(event.get('phase'), 80)} began."
        case "phase_ended" if event.get("outcome") != "ok":
            outcome = one_line(event.get("outcome"), 40)
            return "phase", f"Phase {one_line(event.get('phase'), 80)} {outcome}."
        case "step":
            return "step", f"Traffic shares set to {_shares(event.get('shares'))}."
        case "observed_split":
            return "step", _split(event)
        case "fault_declared":
            expects = event.get("expects")
            names = ", ".join(str(e) for e in expects) if isinstance(expects, list) else ""
            tail = f"; expected to disturb {names}" if names else ""
            return "fault", f"Fault {fault} declared in {where}{tail}."
        case "fault_applied":
            return "fault", f"Fault {fault} applied in {where}."
        case "fault_proof":
            proven = event.get("proven") is True
            seen = "took effect (verified)" if proven else "has NO verified effect"
            return "fault", f"Fault {fault} in {where} {seen}: {one_line(event.get('why'))}"
        case "fault_reverted":
            return "fault", f"Fault {fault} reverted in {where}."
        case "region_dark":
            return "fault", f"{region} is dark."
        case "region_lost":
            return "fault", f"{region} is lost to its users; its processes go on."
        case "region_lit":
            return "fault", f"{region} is back."
        case "loss_detected":
            after = seconds(event.get("after_s"))
            return "fault", f"{region} was out of the DNS answers {after} after it was lost."
        case "rig_pinned":
            return "drill", pinned_sentence(event)
        case "trigger" | "limit":
            name = one_line(event.get(str(event["event"])), 80)
            word = "was expected" if event.get("expected") is True else "fired"
            kind = "Rollback trigger" if event["event"] == "trigger" else "Abort limit"
            detail = _trip_detail(event)
            return "trip", f"{kind} {name} {word}" + (f" in {region}" if region else "") + (
                f": {detail}" if detail else "."
            )
        case "stopped":
            detail = one_line(event.get("detail"))
            clause = stopper(one_line(event.get("by"), 120))
            return "stop", f"Stopped: {clause}" + (f" ({detail})." if detail else ".")
        case "undo" if event.get("state") != "pending":
            state = "put back" if event.get("state") == "done" else "could NOT be restored"
            return "undo", f"{one_line(event.get('subject'))} {state}."
        case "verify":
            word = (
                "everything is back" if event.get("verified") is True else "NOT everything is back"
            )
            return "undo", f"Read back from the real systems: {word}."
    return None


def _shares(shares: Any) -> str:
    if not isinstance(shares, dict) or not shares:
        return NO_DATA
    return ", ".join(
        f"{one_line(region, 80)} {NO_DATA if number(share) is None else f'{number(share):g} %'}"
        for region, share in shares.items()
    )


def _split(event: Event) -> str:
    if isinstance(event.get("shares"), dict):
        return f"Split observed: {_shares(event['shares'])}."
    share = {one_line(event.get("region"), 80): event.get("share_pct")}
    wanted = number(event.get("wanted_pct"))
    tail = "" if wanted is None else f", wanted {wanted:g} %"
    return f"Split observed: {_shares(share)}{tail}."


def _step_label(event: Event, evacuated: str | None) -> str:
    shares = event.get("shares")
    share = number(shares.get(evacuated)) if isinstance(shares, dict) and evacuated else None
    return _shares(shares) if share is None else f"{evacuated} {share:g} %"


def _trip_detail(event: Event) -> str:
    detail = one_line(event.get("detail"), 300)
    if detail:
        return detail
    measured, threshold = number(event.get("measured")), number(event.get("threshold"))
    if measured is not None and threshold is not None:
        return f"measured {measured:g}, threshold {threshold:g}"
    return ""
