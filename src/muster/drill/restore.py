"""Everything back: the undo log played backwards, each entry read back from the real system.

One that fails does not stop the others. Playing it again is harmless. A revert that raised may have
worked all the same (its answer was lost), so it is read back too: the real system decides.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass
from typing import Protocol

from muster.errors import MusterError
from muster.faults import Fault, ReadBack, fault_of
from muster.jsonl import LogLost
from muster.ledger import Ledger
from muster.redact import redacted
from muster.targets.model import Target
from muster.undo import State, UndoEntry, UndoHeader

logger = logging.getLogger("chaostoolkit")


class Undo(Protocol):
    """An undo log, wherever it stands."""

    @property
    def header(self) -> UndoHeader:
        """Whose log it is."""

    @property
    def pending(self) -> tuple[UndoEntry, ...]:
        """What is not restored yet, last applied first."""

    def mark(self, entry: UndoEntry, state: State, detail: str = "") -> None:
        """Record how `entry` went. Raises LogLost."""


@dataclass(frozen=True)
class Restored:
    """How it went: `verified` only if every entry of the log was read back as it was before."""

    verified: bool
    readback: tuple[ReadBack, ...]
    failed: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def another(self) -> tuple[str, ...]:
        """What somebody else changed since, and was left so: a person is told."""
        return tuple(f"{item.subject}: {item.another}" for item in self.readback if item.another)


def restore(
    target: Target,
    undo: Undo,
    ledger: Ledger | None = None,
    only: Container[str] | None = None,
) -> Restored:
    """Revert every pending entry, last applied first, and read each back.

    `only` names the entries to act on; the others are read back and not touched.
    """
    return _play(target, undo, ledger, lambda entry: only is None or entry.entry_id in only)


def settle(target: Target, undo: Undo, ledger: Ledger | None = None) -> Restored:
    """Read every pending entry back without acting: for what the drill already put back itself."""
    return _play(target, undo, ledger, lambda entry: False)


def record_verify(ledger: Ledger, undo: Undo, restored: Restored) -> None:
    """The `verify` event of the ledger."""
    ledger.append(
        "verify",
        pending=[entry.entry_id for entry in undo.pending],
        verified=restored.verified and not undo.pending,
        readback=[asdict(item) for item in restored.readback],
        commands=list(restored.commands),
    )


def _play(
    target: Target, undo: Undo, ledger: Ledger | None, acts: Callable[[UndoEntry], bool]
) -> Restored:
    readbacks: list[ReadBack] = []
    failed: list[str] = []
    commands: list[str] = []
    again = recover_command(undo.header.target_file or target.name)
    for entry in undo.pending:
        revert = acts(entry)
        outcome = _one(target, entry, revert, again)
        if outcome.readback is not None:
            readbacks.append(outcome.readback)
        if outcome.ok or revert:
            _record(undo, ledger, entry, "done" if outcome.ok else "failed", outcome.detail)
        if not outcome.ok:
            logger.error("restore: %s: %s", entry.subject, outcome.detail)
            failed.append(entry.subject)
            commands.append(outcome.command)
    return Restored(not failed, tuple(readbacks), tuple(failed), tuple(commands))


@dataclass(frozen=True)
class _Outcome:
    ok: bool
    detail: str
    readback: ReadBack | None
    command: str


def recover_command(target_file: str) -> str:
    """What a person types to have everything restored again."""
    return shlex.join(["chaos", "drill", "recover", "--target", target_file])


def _one(target: Target, entry: UndoEntry, revert: bool, again: str) -> _Outcome:
    fault: Fault | None = None
    raised = ""
    try:
        fault = fault_of(target, entry)
        raised = _raised_by(fault.revert) if revert else ""
        readback = fault.read_back()
    except Exception as error:  # one entry's surprise must not leave the others undone
        # Nobody saw what became of it: it may be back, and it is not known to be.
        detail = f"{raised}; and it could not be read back: " if raised else ""
        return _Outcome(False, detail + _said(error), None, _command(fault, again))
    detail = f"{readback.subject}: {readback.actual} (expected {readback.expected})"
    if readback.another:
        logger.error("restore: %s: left as another changed it: %s", entry.subject, readback.another)
        detail += f"; left as another changed it: {readback.another}"
        by_hand = _command(fault, again)
        logger.error("restore: by hand, to put back what stood before the drill: %s", by_hand)
    if raised:
        seen = "it is back all the same" if readback.ok else "it is not back"
        detail = f"{raised}; read back, {seen}: {detail}"
    return _Outcome(readback.ok, detail, readback, "" if readback.ok else _command(fault, again))


def _raised_by(revert: Callable[[], None]) -> str:
    """What `revert` raised, in a line; empty: nothing."""
    try:
        revert()
    except Exception as error:  # whatever it was, the real system is asked next
        logger.warning("restore: the revert raised: %s", _said(error))
        return f"the revert raised: {_said(error)}"
    return ""


def _said(error: Exception) -> str:
    if isinstance(error, MusterError):
        return str(error)
    return redacted(f"{type(error).__name__}: {error}")


def _command(fault: Fault | None, again: str) -> str:
    """The fault's own command by hand, else the one that tries everything again."""
    try:
        command = (fault.command() if fault is not None else None) or again
        # A line with a secret in it is no line for a log: the one that tries again has none.
        return command if redacted(command) == command else again
    except Exception as error:  # no command is no reason to leave the others undone
        logger.debug("restore: no command by hand: %s", error)
        return again


def _record(undo: Undo, ledger: Ledger | None, entry: UndoEntry, state: State, detail: str) -> None:
    try:
        undo.mark(entry, state, detail)
        if ledger is not None:
            ledger.append(
                "undo", entry_id=entry.entry_id, subject=entry.subject, state=state, detail=detail
            )
    except LogLost as error:
        # A full disk must not keep a region dark: go on restoring. The log still shows the entry
        # as pending, so no verdict can pass.
        logger.error("restore: %s", error)
