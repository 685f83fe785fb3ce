"""Runs all checks at the same time, each in its own thread with a time limit.

A check that raises an error or exceeds its time limit is a finding too: its result is unknown. A
warning that a check logs becomes a finding, so the report is complete.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from muster.clock import Clock
from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Check, Finding, Report, Seen, Table, each_line, plain
from muster.drill.stop import StopReason
from muster.errors import BadInput, DrillAborted, MusterError, one_of
from muster.redact import redacted_data

logger = logging.getLogger("chaostoolkit")
TIME_OVER = "doctor:time_over"


@dataclass
class _Running:
    check: Check
    done: threading.Event = field(default_factory=threading.Event)
    seen: Seen = field(default_factory=Seen)
    took_s: float = 0.0


class _Told(logging.Filter):
    """Collects the log records of the checks' threads by thread, instead of logging them."""

    def __init__(self) -> None:
        super().__init__()
        self.by_thread: dict[int, list[str]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        told = self.by_thread.get(record.thread or 0)
        if told is None:
            return True
        if record.levelno >= logging.WARNING:
            told.append(record.getMessage().removeprefix("preflight: "))
        return False


def examine(examined: Examined, checks: Sequence[Check], accepted: Sequence[str] = ()) -> Report:
    """Run `checks` and return the report. `accepted`: names of checks whose findings are accepted.

    Raises BadInput if an accepted name is not a check that may be accepted.
    """
    _check_accepted(accepted, checks)
    clock = examined.clock
    began_s, at_s = clock.monotonic_s(), clock.now_s()
    told = _Told()
    running = [_Running(check) for check in checks]
    logger.addFilter(told)
    try:
        for one in running:
            arguments = (one, examined, told, clock)
            threading.Thread(target=_look, args=arguments, daemon=True).start()
        seen = [_awaited(one, began_s, clock) for one in running]
    finally:
        logger.removeFilter(told)
        over = StopReason(TIME_OVER, "ABORTED", "the doctor has ended", clock.now_s())
        examined.stop.set(over)
    findings = [
        Finding(one.check.name, level, plain(text), one.check.name in accepted)
        for one, what in zip(running, seen, strict=True)
        for level, text in what.lines
    ]
    return Report(
        target=examined.target.name,
        target_class=examined.target.class_,
        drill=examined.plan.drill,
        at_s=at_s,
        took_s=clock.monotonic_s() - began_s,
        checks={one.check.name: one.took_s for one in running},
        findings=tuple(findings),
        tables=tuple(
            Table(one.check.name, one.check.title, tuple(redacted_data(what.rows)))
            for one, what in zip(running, seen, strict=True)
            if what.rows
        ),
    )


def _check_accepted(accepted: Sequence[str], checks: Sequence[Check]) -> None:
    known = [check.name for check in checks if check.may_be_accepted]
    for name in accepted:
        if name not in known:
            wanted = f"{one_of(name, known)}: preflight makes all other checks"
            raise BadInput("--accept", "", name, wanted)


def _look(one: _Running, examined: Examined, told: _Told, clock: Clock) -> None:
    began_s = clock.monotonic_s()
    lines = told.by_thread.setdefault(threading.get_ident(), [])
    try:
        seen = _seen(one.check, examined)
    finally:
        told.by_thread.pop(threading.get_ident(), None)
    one.seen = replace(seen, warnings=(*seen.warnings, *lines))
    one.took_s = clock.monotonic_s() - began_s
    one.done.set()


def _seen(check: Check, examined: Examined) -> Seen:
    """The check's result; an error that it raises becomes a finding. Never raises."""
    try:
        return check.look(examined)
    except DrillAborted as error:
        if error.by == TIME_OVER:
            return Seen(unknown=("the check did not end in time",))
        return Seen(refused=each_line(error.detail or str(error)))
    except MusterError as error:
        lines = each_line(str(error))
        # Preflight does not make this check, so its error does not prevent a drill: unknown.
        return Seen(unknown=lines) if check.may_be_accepted else Seen(refused=lines)
    except Exception as error:  # a check that crashes has no result
        return Seen(unknown=(f"the check itself failed: {type(error).__name__}: {error}",))


def _awaited(one: _Running, began_s: float, clock: Clock) -> Seen:
    """The check's result, or `unknown` if it exceeded its time limit."""
    left_s = one.check.seconds_max - (clock.monotonic_s() - began_s)
    if clock.wait(one.done, max(0.0, left_s)):
        return one.seen
    one.took_s = one.check.seconds_max
    return Seen(unknown=(f"the check did not end within {one.check.seconds_max:g} s",))
