"""How far a day is, and what it must do next, from the lines of its ledger alone. Pure.

The same lines give the same answer in the process that wrote them and in the one that continues
them. A drill that has ended is never run again. One that was under way is settled first: its
process is awaited, the target recovered, and it counts as what its bundle says. Without a bundle it
never began and changed nothing, so it is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from muster.drill.game_day.form import STOP

Event = Mapping[str, Any]
Kind = Literal["run", "settle", "recover", "stop", "end"]
ORDER = ("PASS", "FAIL", "INCONCLUSIVE", "ABORTED", "FAIL by a stop", "ROLLBACK_FAILED")
"""Verdicts from the best to the worst: a stop on the platform's own data is known, and so comes
before what is not."""

NO_DIGEST = "no digest of its evidence is on record"
"""Why a drill that is said to have passed does not count: it cannot be told from another one."""

DECIDED = ("on_fail", "left_changed")
"""Why a day stops that a drill has decided: the drills after it are left out, and not missing."""


@dataclass(frozen=True)
class Ended:
    """A drill that has ended. `interrupted`: the day's process was gone while it ran.

    `begun_s`: when the day began it, in seconds since the epoch; None if no line says so.
    """

    number: int
    drill_id: str
    outcome: Mapping[str, Any]
    exit_code: int | None
    interrupted: bool
    took_s: float
    begun_s: float | None = None

    @property
    def verdict(self) -> str:
        """What its bundle says."""
        return str(self.outcome.get("verdict"))

    @property
    def said(self) -> str:
        """The drill and how it came out, in words."""
        why = self.outcome.get("why")
        return f"drill {self.number}: {self.verdict}" + (f": {why}" if why else "")

    @property
    def rank(self) -> str:
        """Its verdict in the order of verdicts."""
        if self.verdict not in ORDER:
            return "INCONCLUSIVE"  # no Muster writes such a verdict: it proves nothing
        by_stop = self.verdict == "FAIL" and self.outcome.get("stopped_by")
        return "FAIL by a stop" if by_stop else self.verdict


@dataclass(frozen=True)
class UnderWay:
    """A drill that was started and has not ended. `pid` None: its process never got to begin."""

    number: int
    drill_id: str
    began_s: float
    pid: int | None = None
    start_ticks: int | None = None


@dataclass(frozen=True)
class Recovery:
    """The check after a drill. `wrong`: what was not as before at its last look."""

    number: int
    ok: bool
    took_s: float
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """What is to be done next, for the drill of that number (0: for the day)."""

    kind: Kind
    number: int = 0
    by: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """What the ledger says. `numbers`: the drills of the day, in order.

    `began_s`: when the day was started, in seconds since the epoch; None if no line says so.
    """

    numbers: tuple[int, ...] = ()
    ended: Mapping[int, Ended] = field(default_factory=dict)
    under_way: UnderWay | None = None
    recovered: Mapping[int, Recovery] = field(default_factory=dict)
    stopped: tuple[str, str] | None = None
    verdict: str | None = None
    starts: int = 0
    began_s: float | None = None

    @property
    def over(self) -> bool:
        """Whether the day has ended."""
        return self.verdict is not None

    def next(self, on_fail: str) -> Step:
        """What the day must do now."""
        if self.over:
            return Step("end")
        if self.under_way is not None:
            return Step("settle", self.under_way.number)
        if self.stopped is not None:
            return Step("stop", 0, *self.stopped)
        for number in self.numbers:
            ended = self.ended.get(number)
            if ended is None:
                return Step("run", number)
            if ended.outcome.get("left") or ended.verdict == "ROLLBACK_FAILED":
                left = ", ".join(map(str, ended.outcome.get("left") or ())) or "see its report"
                return Step("stop", number, "left_changed", f"{ended.drill_id} left: {left}")
            recovery = self.recovered.get(number)
            if recovery is None:
                return Step("recover", number)
            if not recovery.ok:
                return Step("stop", number, "not_recovered", "; ".join(recovery.wrong))
            # `chaos drill abort` reaches the drill alone, and whoever gives it means the day.
            if ended.outcome.get("stopped_by") == "operator" and number != self.numbers[-1]:
                return Step("stop", number, "operator", f"drill {number} was aborted by a person")
            # Whoever started an interrupted day again has seen how its drill was cut off.
            cut_off = ended.interrupted and ended.verdict == "ABORTED"
            if ended.verdict != "PASS" and on_fail == STOP and not cut_off:
                why = f"drill {number} is {ended.verdict}, and on_fail is {STOP}"
                if number != self.numbers[-1]:
                    return Step("stop", number, "on_fail", why)
        return Step("end")

    def verdict_so_far(self) -> tuple[str, str]:
        """The verdict of the day as it is now, and why.

        PASS only if every drill passed, with an intact seal, and the check after each one did too.
        """
        found = [(one.rank, one.said) for one in self.ended.values()]
        found += [
            ("INCONCLUSIVE", f"drill {one.number}: its seal: {one.outcome['seal']}")
            for one in self.ended.values()
            if one.outcome.get("seal")
        ]
        found += [
            ("INCONCLUSIVE", f"drill {one.number}: {NO_DIGEST}")
            for one in self.ended.values()
            if one.verdict == "PASS" and not one.outcome.get("digests")
        ]
        found += [
            ("ROLLBACK_FAILED", f"drill {one.number} left {', '.join(map(str, left))}")
            for one in self.ended.values()
            if (left := one.outcome.get("left"))
        ]
        for number in self.ended:
            recovery = self.recovered.get(number)
            if recovery is None:
                found.append(("INCONCLUSIVE", f"nothing was checked after drill {number}"))
            elif not recovery.ok:
                said = "; ".join(recovery.wrong)
                found.append(("INCONCLUSIVE", f"not as before after drill {number}: {said}"))
        by = "" if self.stopped is None else self.stopped[0]
        if by not in DECIDED:
            found += [
                ("INCONCLUSIVE", f"drill {number} was not run")
                for number in self.numbers
                if number not in self.ended
            ]
        if self.stopped is not None and by.startswith(("signal:", "action:")):
            found.append(("ABORTED", f"{by}: {self.stopped[1]}"))
        worst = max((rank for rank, _ in found), key=ORDER.index, default="INCONCLUSIVE")
        why = next((said for rank, said in found if rank == worst), "the day has no drill")
        missing = [number for number in self.numbers if number not in self.ended]
        if worst == "PASS" and missing:
            # Left out for a failure that no line shows.
            worst, why = "INCONCLUSIVE", f"drill {missing[0]} was not run"
        if worst == "PASS":
            why = f"all {len(self.numbers)} drills passed, and everything was as before after each"
        return worst.partition(" ")[0], why


def progress_of(events: Sequence[Event]) -> Progress:
    """Fold the lines of a day's ledger."""
    numbers: tuple[int, ...] = ()
    ended: dict[int, Ended] = {}
    recovered: dict[int, Recovery] = {}
    under_way: UnderWay | None = None
    stopped: tuple[str, str] | None = None
    verdict: str | None = None
    starts = 0
    began_s: float | None = None
    for one in events:
        kind = one.get("event")
        if kind == "day_started":
            numbers = tuple(int(entry["number"]) for entry in one["drills"])
            began_s = float(one["t"])
            starts += 1
        elif kind == "day_resumed":
            starts += 1
        elif kind == "drill_begun":
            under_way = UnderWay(int(one["number"]), str(one["drill_id"]), float(one["t"]))
        elif kind == "drill_process" and under_way is not None:
            under_way = UnderWay(
                under_way.number, under_way.drill_id, under_way.began_s,
                int(one["pid"]), one.get("start_ticks"),
            )  # fmt: skip
        elif kind == "drill_never_began":
            under_way = None
        elif kind == "drill_ended":
            ended[int(one["number"])] = _ended(one, under_way)
            under_way = None
        elif kind == "recovery":
            wrong = tuple(map(str, one.get("wrong") or ()))
            number = int(one["number"])
            recovered[number] = Recovery(number, one.get("ok") is True, float(one["took_s"]), wrong)
        elif kind == "day_stopped":
            stopped = stopped or (str(one.get("by")), str(one.get("detail")))
        elif kind == "day_ended":
            verdict = str(one.get("verdict"))
    return Progress(numbers, ended, under_way, recovered, stopped, verdict, starts, began_s)


def _ended(one: Event, under_way: UnderWay | None) -> Ended:
    own = under_way is not None and under_way.drill_id == one["drill_id"]
    return Ended(
        number=int(one["number"]),
        drill_id=str(one["drill_id"]),
        outcome=dict(one["outcome"]),
        exit_code=one.get("exit_code"),
        interrupted=one.get("interrupted") is True,
        took_s=float(one.get("took_s") or 0.0),
        begun_s=under_way.began_s if own and under_way is not None else None,
    )


def unfinished(days: Iterable[tuple[str, Sequence[Event]]], identity: str, since_s: float) -> str:
    """The newest day of that identity that began after `since_s` and has not ended; empty if none.

    `days`: the id and the ledger of each day. The ids of days that began within one second do not
    tell which of them is newer; their first lines do.
    """
    newest_s, found = since_s, ""
    for day_id, events in days:
        first = next(iter(events), {})
        same = first.get("event") == "day_started" and first.get("identity") == identity
        if same and float(first["t"]) >= newest_s:
            newest_s, found = float(first["t"]), "" if progress_of(events).over else day_id
    return found
