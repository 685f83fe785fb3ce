"""A look at a running drill in words: rows for a terminal, one line for a pipe. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

from muster.drill.live.margins import Margin
from muster.drill.live.shown import Process, Shown
from muster.guard.trips import Nearing

UNKNOWN = "unknown"
TIGHT, OVER = 0.5, 1.0
Row = tuple[str, str, str]
"""A row: its name, its text, and how it stands: `good`, `warn`, `bad` or empty."""


def rows(shown: Shown) -> list[Row]:
    """What a terminal shows, from top to bottom."""
    return [(name, _plain(text), state) for name, text, state in _rows(shown)]


def _rows(shown: Shown) -> list[Row]:
    found: list[Row] = [
        ("drill", f"{shown.drill or shown.drill_id} on {shown.target or UNKNOWN}", ""),
        ("phase", _phase(shown), ""),
        ("time", _time(shown), ""),
        ("streams", _streams(shown), ""),
        ("split", _split(shown), ""),
    ]
    found += [("margin", margin(one), _state(one)) for one in shown.margins]
    if not shown.margins:
        found.append(("margin", "none is known: too few attempts in the last window", ""))
    found.append(("guard", _guard(shown), "bad" if shown.stopped_by else _near(shown)))
    for fault, region, proven in shown.faults:
        words = {True: "took effect (verified)", False: "not verified", None: "not verified yet"}
        found.append(("fault", f"{fault} in {region}: {words[proven]}", ""))
    if shown.pending or shown.stopped_by:
        of = shown.pending + shown.undone
        back = f"{shown.undone} of {of} changes restored" if shown.stopped_by else ""
        made = f"{shown.pending} changes are not restored yet, as the drill needs them"
        found.append(("undo", back or made, ""))
    if shown.stopped_by:
        found.append(("stopped", f"{shown.stopped_by}: {shown.stopped_why}", "bad"))
    found += [("run", command, "bad") for command in shown.commands]
    if not shown.over:
        found += [(one.role, _process(one), "" if one.awake else "bad") for one in shown.processes]
    if shown.verdict:
        found.append(("verdict", shown.verdict, "good" if shown.verdict == "PASS" else "bad"))
    return found


def line(shown: Shown) -> str:
    """The same in one line, for a log."""
    if not shown.phases:
        return _phase(shown)
    parts = [_phase(shown), _time(shown), f"streams {_streams(shown)}", f"split {_split(shown)}"]
    if shown.margins:
        parts.append(f"tightest {margin(shown.margins[0])}")
    parts.append(f"guard {_guard(shown)}")
    if shown.verdict:
        parts.insert(1, f"verdict {shown.verdict}")
    if shown.stopped_by:
        parts.append(f"stopped by {shown.stopped_by}")
        parts.append(f"{shown.undone} of {shown.pending + shown.undone} changes restored")
    return _plain("; ".join(parts))


def status_lines(shown: Shown) -> Iterator[str]:
    """For `chaos drill status`: how far the drill is, and who guards it."""
    yield _plain(f"drill: {shown.drill_id}: {_phase(shown)}, {_time(shown)}")
    yield _plain(f"guard: {_guard(shown)}")
    for one in shown.processes:
        yield f"{one.role}: {_process(one)}"


def _plain(text: str) -> str:
    """Text of the platform with control sequences escaped: a terminal would obey them."""
    if text.isprintable():
        return text
    return "".join(
        repr(sign)[1:-1] if unicodedata.category(sign) in ("Cc", "Cf") else sign for sign in text
    )


def margin(one: Margin) -> str:
    """A margin with measured value, limit and the share that is used."""
    return (
        f"{one.slo} in {one.region}: {one.measured:.3g} of {one.limit:.4g} {one.unit}, "
        f"{100 * one.used:.0f} % used"
    )


def seconds(value_s: float) -> str:
    """A length in minutes and seconds, or hours."""
    whole = max(round(value_s), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _phase(shown: Shown) -> str:
    if shown.over:
        return "ended" if shown.verdict else "ended, being judged"
    if not shown.phase and not shown.stopped_by:
        if shown.number == 0:
            return "beginning"
        if shown.number == len(shown.phases):
            return f"all {shown.number} phases are done"
    name = shown.phase or ("restoring" if shown.stopped_by else "between two phases")
    judged = f", judged by Tier {shown.tier}" if shown.tier else ""
    return f"phase {shown.number} of {len(shown.phases)}: {name}{judged}"


def _time(shown: Shown) -> str:
    elapsed = UNKNOWN if shown.elapsed_s is None else seconds(shown.elapsed_s)
    if shown.over:
        return f"took {elapsed}"
    if shown.ends_s is None:
        return f"{elapsed} so far"
    at = datetime.fromtimestamp(shown.ends_s, UTC)
    left = seconds(shown.ends_s - shown.at_s)
    return f"{elapsed} so far, about {left} left (ends at {at:%H:%M} UTC)"


def _streams(shown: Shown) -> str:
    count = UNKNOWN if shown.streams is None else f"{shown.streams:,.0f}"
    target = "" if shown.streams_target is None else f" of {shown.streams_target:,.0f}"
    known = sorted((name, n) for name, n in shown.by_region.items() if name in shown.regions)
    unanswered = sum(shown.by_region.values()) - sum(number for _, number in known)
    each = ", ".join(
        [f"{region} {number:,.0f}" for region, number in known]
        + ([f"{unanswered:,.0f} not answered yet"] if unanswered >= 1 else [])
    )
    return f"{count}{target}{f' ({each})' if each else ''}"


def _split(shown: Shown) -> str:
    each = []
    for region in shown.regions:
        wanted, seen = shown.wanted_pct.get(region), shown.seen_pct.get(region)
        observed = UNKNOWN if seen is None else f"{seen:.0f} %"
        asked = UNKNOWN if wanted is None else f"{wanted:.0f} %"
        each.append(f"{region} {observed} (wanted {asked})")
    return ", ".join(each) or UNKNOWN


def _guard(shown: Shown) -> str:
    if not shown.nearing or shown.stopped_by:
        return shown.guard
    return f"{shown.guard}; {', '.join(_nearing(one) for one in shown.nearing[:2])}"


def _nearing(one: Nearing) -> str:
    where = f" in {one.region}" if one.region else ""
    return f"{one.kind} {one.name}{where} fires in {seconds(one.trips_in_s)} if it goes on"


def _near(shown: Shown) -> str:
    return "warn" if shown.nearing else ""


def _state(one: Margin) -> str:
    return "bad" if one.used >= OVER else "warn" if one.used >= TIGHT else "good"


def _process(one: Process) -> str:
    if one.ago_s is None:
        return "not seen on this machine"
    return "awake" if one.awake else f"SILENT for {seconds(one.ago_s)}"
