"""One drill of the past as a flat value, read from its bundle. Decides nothing.

What was asked for comes from the ledger's first line, which a running drill has too. What came out
comes from `verdict.json`; it is shown only if the seal is intact, because anyone may have written
it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from muster.bundle import Seal
from muster.errors import MusterError
from muster.reports.evidence import read_verdict
from muster.reports.history.headroom import least_headroom
from muster.reports.numbers import epoch, number
from muster.reports.words import one_line

_HEAD_BYTES_MAX = 1_000_000
TIMINGS = ("decide_s", "shift_s", "drain_s", "dark_s", "restore_s", "trip_to_restored_s")


@dataclass(frozen=True)
class Past:
    """One bundle. Durations in seconds, moments in seconds since the epoch; None if unknown.

    `verdict` and everything after `length_s` are empty if the seal is not intact (`trusted` False),
    unless they were requested. `headroom` is the least share of a limit that was left (1: nothing
    of it used, 0: at the limit), and `headroom_of` names that limit. `hurt` counts the attempts of
    the judged phases that did not succeed. `problem`: what is wrong; `seal` describes the seal.
    """

    drill_id: str
    started_s: float | None
    drill: str
    target: str
    profile: str
    scale: float | None
    time_scale: float | None
    streams: float | None
    defect: str
    verdict: str = ""
    evidence: str = ""
    stopped_by: str = ""
    length_s: float | None = None
    decide_s: float | None = None
    shift_s: float | None = None
    drain_s: float | None = None
    dark_s: float | None = None
    restore_s: float | None = None
    trip_to_restored_s: float | None = None
    headroom: float | None = None
    headroom_of: str = ""
    hurt: float | None = None
    attempts: float | None = None
    problem: str = ""
    seal: str = ""
    trusted: bool = False

    @property
    def passed(self) -> bool:
        """Whether it is known to have passed."""
        return self.trusted and self.verdict == "PASS"

    @property
    def running(self) -> bool:
        """Whether the drill runs now, on this machine."""
        return self.seal == "running"

    @property
    def hurt_share(self) -> float | None:
        """The share of attempts that did not succeed; None: unknown."""
        return self.hurt / self.attempts if self.hurt is not None and self.attempts else None

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def asked_for(bundle: Path) -> Past:
    """The drill as its ledger says that it began: no outcome yet."""
    started = _drill_started(bundle / "ledger.jsonl")
    return Past(
        drill_id=one_line(bundle.name, 120),
        started_s=epoch(started.get("t")),
        drill=one_line(started.get("drill"), 80),
        target=one_line(started.get("target"), 80),
        profile=one_line(started.get("profile"), 80),
        scale=number(started.get("scale")),
        time_scale=number(started.get("time_scale")),
        streams=number(started.get("streams_target")),
        defect=one_line(started.get("defect"), 80),
    )


def with_outcome(past: Past, bundle: Path) -> Past:
    """The same with what `verdict.json` says; with the problem if it cannot be read."""
    try:
        return with_verdict(past, read_verdict(bundle))
    except MusterError as error:
        return replace(past, problem=one_line(str(error), 300))


def with_verdict(past: Past, verdict: Mapping[str, Any]) -> Past:
    """The same with what the verdict's document says."""
    begin = epoch(verdict.get("started_at"))
    begin = past.started_s if begin is None else begin
    end = epoch(verdict.get("ended_at"))
    timings = _mapping(verdict.get("timings_s"))
    # Earlier versions wrote the names without their unit.
    took = {key: number(timings.get(key, timings.get(key.removesuffix("_s")))) for key in TIMINGS}
    left, of = least_headroom(verdict.get("findings"))
    hurt, attempts = _hurt(_mapping(_mapping(verdict.get("load")).get("outcomes")))
    return replace(
        past,
        started_s=begin,
        drill=past.drill or one_line(verdict.get("drill"), 80),
        target=past.target or one_line(verdict.get("target"), 80),
        verdict=one_line(verdict.get("verdict"), 40),
        evidence=one_line(verdict.get("evidence"), 40) or "unknown",
        stopped_by=one_line(verdict.get("stopped_by"), 120),
        length_s=end - begin if begin is not None and end is not None else None,
        headroom=left,
        headroom_of=of,
        hurt=hurt,
        attempts=attempts,
        decide_s=took["decide_s"],
        shift_s=took["shift_s"],
        drain_s=took["drain_s"],
        dark_s=took["dark_s"],
        restore_s=took["restore_s"],
        trip_to_restored_s=took["trip_to_restored_s"],
    )


def with_seal(past: Past, bundle: Path, seal: Seal) -> Past:
    """The drill with its outcome if its seal is intact, else with what is wrong with the seal."""
    word = seal_word(seal)
    if seal.trusted:
        return replace(with_outcome(past, bundle), seal=word, trusted=True)
    return replace(past, seal=word, problem=one_line("; ".join(seal.why), 300))


def seal_word(found: Seal) -> str:
    """The seal in a word or two."""
    if found.state != "sealed":
        words = {"running": "running", "unended": "cut off", "unreadable": "altered"}
        return words.get(found.state, "missing")
    if not found.trusted:
        return "altered" if found.faults else "untrusted"
    if found.signed:
        return "signed"
    return "not verified" if found.carries_signature else "unsigned"


def _hurt(outcomes: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """How many attempts did not succeed, and how many there were; unknown if one count is."""
    counts = {name: number(count) for name, count in outcomes.items()}
    known = [count for count in counts.values() if count is not None]
    if "success" not in counts or len(known) != len(counts):
        return None, None
    return sum(known) - (counts["success"] or 0.0), sum(known)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _drill_started(ledger: Path) -> dict[str, Any]:
    """The ledger's `drill_started`, from its first line alone; empty if it is missing."""
    try:
        with ledger.open("rb") as file:
            record = json.loads(file.readline(_HEAD_BYTES_MAX))
    except (OSError, ValueError):
        return {}
    if isinstance(record, dict) and record.get("event") == "drill_started":
        return record
    return {}
