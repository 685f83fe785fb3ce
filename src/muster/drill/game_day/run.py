"""Runs a day: one step after the other, as `progress` decides from the day's ledger.

Only the process that holds the day's lock of the target runs one. Each drill is a process of its
own, which takes the target's lock as always, so two drills never run at once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from muster import home
from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.drill.doctor.examined import examined
from muster.drill.game_day import rig
from muster.drill.game_day.child import LOOK_S, Child, Command, Told, adopt, command_of
from muster.drill.game_day.journal import Journal, to_continue
from muster.drill.game_day.model import Day, Entry, Outcome
from muster.drill.game_day.outline import length_s
from muster.drill.game_day.progress import Progress, Step, UnderWay
from muster.drill.game_day.recovery import Recovered, await_recovery
from muster.drill.game_day.settle import missing, outcome_of
from muster.drill.lock.held import FileLock
from muster.drill.lock.runs import RunFiles
from muster.drill.recover.again import EXIT_NOT_RESTORED, recover_target
from muster.drill.start import new_id
from muster.drill.stop import StopFlag, StopReason
from muster.errors import DrillAborted, MusterError
from muster.ledger import read_ledger

logger = logging.getLogger("chaostoolkit")


class Running(Protocol):
    """A drill's process, started or adopted."""

    @property
    def exit_code(self) -> int | None:
        """Its exit code, once it has ended; None if it is not known."""

    def await_end(self, seconds_max: float) -> bool:
        """Whether it has ended, within `seconds_max`."""

    def stop(self) -> None:
        """Ask it to restore and end."""


@dataclass
class DayRun:
    """The day of this process. What reaches out of it (from `command` on) can be replaced."""

    day: Day
    journal: Journal
    lock: FileLock
    stop: StopFlag
    clock: Clock = SYSTEM_CLOCK
    command: Callable[[Entry, str, Path], Command] | None = None
    check: Callable[[Entry, str], Recovered] | None = None
    restore: Callable[[], int] | None = None
    ready: Callable[[Entry], object] | None = None

    @property
    def progress(self) -> Progress:
        """How far the day is, by its ledger."""
        return self.journal.progress

    def entry(self, number: int) -> Entry:
        """The drill of that number."""
        return self.day.entries[number - 1]

    def number_of(self, file: str) -> int:
        """The number of the drill that the day's file names so. Raises DrillAborted."""
        for one in self.day.entries:
            if one.file == file:
                return one.number
        raise DrillAborted("action:drill", f"{file} is no drill of this day")

    def drill(self, number: int) -> str:
        """Do everything up to the end of drill `number` and the check after it; say how it ended.

        Raises DrillAborted if the day must stop before.
        """
        while True:
            self.check_signal()
            step = self.progress.next(self.day.on_fail)
            if step.kind in ("stop", "end") or step.number > number:
                break
            self._do(step)
        ended = self.progress.ended.get(number)
        if ended is None:
            raise DrillAborted(step.by or "day", step.detail or "the day has ended")
        return f"{ended.verdict} ({ended.drill_id})"

    def check_signal(self) -> None:
        """Record why the day must stop, once, and raise DrillAborted."""
        reason = self.stop.reason
        if reason is not None:
            if self.progress.stopped is None:
                self.journal.record("day_stopped", by=reason.by, detail=reason.detail)
            raise DrillAborted(reason.by, reason.detail)

    def must_stop(self) -> Step | None:
        """Why no further drill may begin; None if one may. The reason is recorded."""
        if self.stop.reason is not None:
            return Step("stop", 0, self.stop.reason.by, self.stop.reason.detail)
        step = self.progress.next(self.day.on_fail)
        if step.kind != "stop":
            return None
        if self.progress.stopped is None:
            self.journal.record("day_stopped", by=step.by, detail=step.detail)
        return step

    def _do(self, step: Step) -> None:
        entry = self.entry(step.number)
        if step.kind == "run":
            self._run(entry)
        elif step.kind == "settle":
            under_way = self.progress.under_way
            if under_way is not None:
                self._settle(entry, under_way)
        elif step.kind == "recover":
            self._recover(entry)

    def _run(self, entry: Entry) -> None:
        """Start the drill, wait for its end, and read its bundle."""
        count = len(self.day.entries)
        about_s = length_s(entry.plan)
        done = utc(self.clock) + timedelta(seconds=about_s)
        (self.ready or self._ready)(entry)
        self._check_unchanged(entry)
        self.check_signal()
        drill_id = new_id(entry.plan.drill, self.clock)
        logger.info(
            "day: drill %d of %d: %s, about %.0f min (until %s UTC)",
            entry.number, count, entry.file, about_s / 60, f"{done:%H:%M}",
        )  # fmt: skip
        notes = self._notes(entry)
        self.journal.record("drill_begun", number=entry.number, drill_id=drill_id, file=entry.file)
        make = self.command or self._command
        child = Child(make(entry, drill_id, notes), self._told())
        began_s = self.clock.monotonic_s()
        self._await(child, drill_id)
        took_s = self.clock.monotonic_s() - began_s
        if (child.exit_code or 0) < 0 or not RunFiles(drill_id).over:
            # Killed: its watchdog restores, and recovery waits for that and finishes the evidence.
            (self.restore or self._restore)()
        self._ended(entry, drill_id, child.exit_code, took_s, interrupted=False)

    def _check_unchanged(self, entry: Entry) -> None:
        """Ask the day to stop if what the drill will read is not what the day was planned with."""
        contract = home.root() / entry.plan.target.contract
        planned = {
            entry.path: entry.sha256,
            entry.plan.target_file: hashlib.sha256(entry.plan.target_bytes).hexdigest(),
            str(contract): hashlib.sha256(entry.plan.contract_bytes).hexdigest(),
        }
        for path, digest in planned.items():
            try:
                same = hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
                why = "" if same else f"{path} is not as it was when the day was planned"
            except OSError as error:
                why = f"{path}: {error.strerror}"
            if why:
                reason = StopReason("action:drill_changed", "ABORTED", why, self.clock.now_s())
                self.stop.set(reason)
                return

    def _notes(self, entry: Entry) -> Path:
        """Where the drill's log and journal go. No evidence, and so not beside it."""
        directory = home.state_dir() / "days" / self.journal.day_id
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory / f"{entry.number:02}-{entry.plan.drill}"

    def _told(self) -> Told:
        return lambda pid, ticks: self.journal.record("drill_process", pid=pid, start_ticks=ticks)

    def _command(self, entry: Entry, drill_id: str, notes: Path) -> Command:
        return command_of(entry.path, self.day.variables, drill_id, notes)

    def _await(self, child: Running, drill_id: str) -> None:
        """Wait for the drill's end; a stop of the day asks it once to restore and end."""
        asked = False
        try:
            while not child.await_end(LOOK_S):
                if self.stop.is_set and not asked:
                    asked = True
                    logger.warning("day: %s is asked to restore and end", drill_id)
                    child.stop()
        except BaseException:
            # Whatever ends this process now: the drill must not go on without a day.
            child.stop()
            raise

    def _settle(self, entry: Entry, under_way: UnderWay) -> None:
        """The end of a drill that an earlier process of the day started."""
        drill_id = under_way.drill_id
        bundle = home.out_dir() / drill_id
        child = adopt(under_way.pid, under_way.start_ticks)
        if child is not None:
            logger.warning("day: %s still runs: waiting for its end", drill_id)
            self._await(child, drill_id)
        logger.info("day: recovering what %s may have left", drill_id)
        code = (self.restore or self._restore)()
        if not (bundle / "ledger.jsonl").is_file() and code != EXIT_NOT_RESTORED:
            logger.info("day: %s never began, and changed nothing", drill_id)
            self.journal.record("drill_never_began", number=entry.number, drill_id=drill_id)
            return
        took_s = self.clock.now_s() - under_way.began_s
        self._ended(entry, drill_id, None, took_s, interrupted=child is None)

    def _restore(self) -> int:
        return recover_target(
            self.entry(1).plan.target_file, say=lambda line: logger.info("day: %s", line)
        )

    def _ended(
        self, entry: Entry, drill_id: str, code: int | None, took_s: float, *, interrupted: bool
    ) -> None:
        bundle = home.out_dir() / drill_id
        under_way = self.progress.under_way
        if bundle.is_dir() and under_way is not None:
            outcome = outcome_of(bundle, entry.plan, under_way.began_s)
        else:
            outcome = missing(f"it did not begin (exit code {code}), see {self._notes(entry)}.log")
        outcome = _doubted(outcome, code)
        self.journal.record(
            "drill_ended",
            number=entry.number,
            drill_id=drill_id,
            exit_code=code,
            interrupted=interrupted,
            took_s=round(max(0.0, took_s), 1),
            outcome=outcome.as_json(),
        )
        why = f": {outcome.why}" if outcome.why else ""
        logger.info("day: drill %d: %s%s", entry.number, outcome.verdict, why)

    def _recover(self, entry: Entry) -> None:
        ended = self.progress.ended[entry.number]
        logger.info("day: waiting until everything is as before %s", ended.drill_id)
        found = (self.check or self._check)(entry, ended.drill_id)
        if self.stop.is_set:
            self.check_signal()
        self.journal.record(
            "recovery", number=entry.number, ok=found.ok, took_s=found.took_s, wrong=found.wrong
        )
        if found.ok:
            logger.info("day: everything is as before, after %.0f s", found.took_s)
        else:
            logger.error("day: not as before: %s", "; ".join(found.wrong))

    def _check(self, entry: Entry, drill_id: str) -> Recovered:
        began_s = self.clock.monotonic_s()
        try:
            self._ready(entry)
            looking = examined(entry.plan, self.clock)
        except MusterError as error:
            return Recovered(round(self.clock.monotonic_s() - began_s, 1), (str(error),))
        looking.stop = self.stop
        try:
            weights = _weights_of(home.out_dir() / drill_id)
            return await_recovery(looking, weights, entry.listed.recovery_s_max)
        finally:
            looking.metrics.close()

    def _ready(self, entry: Entry) -> None:
        if rig.ready(entry.plan, self.journal.day_id, length_s(entry.plan), self.clock):
            self.journal.record("testbed", state="started", number=entry.number)


def _doubted(outcome: Outcome, code: int | None) -> Outcome:
    """A drill that passed by its bundle and exited otherwise did not pass: one of them is wrong."""
    if outcome.verdict == "PASS" and code not in (0, None):
        why = f"its bundle says PASS, and its process exited with {code}"
        return Outcome("INCONCLUSIVE", why, left=outcome.left, digests=outcome.digests)
    return outcome


def _weights_of(bundle: Path) -> Mapping[str, int] | None:
    """The weights that the drill found when it began; None if it never got so far."""
    try:
        started: tuple[dict[str, Any], ...] = read_ledger(bundle / "ledger.jsonl").of(
            "drill_started"
        )
    except MusterError:
        return None
    found = started[0].get("weights") if started else None
    return dict(found) if isinstance(found, Mapping) else None


def begin(day: Day, clock: Clock = SYSTEM_CLOCK) -> DayRun:
    """Begin the day, or continue the unfinished one of the same drills and settings.

    Raises DrillAborted if another day runs on the target, LogLost without room for the ledger.
    """
    lock = FileLock(f"{day.target.name}.day", day.name)
    lock.acquire()
    try:
        found = to_continue(day, clock)
        day_id = found or new_id(day.name, clock)
        journal = Journal(day_id, clock)
        if found:
            logger.warning("day: %s is continued where it was", day_id)
            journal.record("day_resumed", on_fail=day.on_fail)
        else:
            journal.record("day_started", **_started(day, day_id))
    except BaseException:
        lock.release()
        raise
    logger.info("day %s on target %s: %s", day_id, day.target.name, journal.directory)
    return DayRun(day, journal, lock, StopFlag(clock), clock)


def _started(day: Day, day_id: str) -> dict[str, Any]:
    return {
        "day_id": day_id,
        "day": day.name,
        "title": day.title,
        "file": day.source,
        "identity": day.identity,
        "target": day.target.name,
        "target_class": day.target.class_,
        "on_fail": day.on_fail,
        "settings": {key: value for key, value in day.variables.items() if key != "confirm"},
        "drills": [
            {
                "number": one.number,
                "name": one.listed.name,
                "drill": one.plan.drill,
                "title": one.plan.title,
                "file": one.file,
                "sha256": one.sha256,
                "expected_s": round(length_s(one.plan)),
            }
            for one in day.entries
        ],
    }


def stop_for(name: str, clock: Clock) -> StopReason:
    """Why a day stops that was asked to by the signal of that name."""
    return StopReason(f"signal:{name}", "ABORTED", f"{name} received", clock.now_s())
