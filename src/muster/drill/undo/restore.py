"""Restores everything: plays the undo log backwards and reads each entry back from the real system.

A failed entry does not stop the others, and playing the log again is harmless. A revert that raised
may have worked (its answer was lost), so it is read back too: the real system decides. An entry
that raised and is not restored is tried again, after all others, for as long as its fault allows:
the system may still be busy with the call of a process that was killed in the middle of it.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.undo.still import StillOurs
from muster.effects import NotOurs, asking
from muster.errors import MusterError
from muster.faults import Fault, ReadBack, fault_of
from muster.jsonl import LogLost
from muster.ledger import Ledger
from muster.platform import Platform
from muster.redact import redacted
from muster.undo import State, UndoEntry, UndoHeader

logger = logging.getLogger("chaostoolkit")
RETRY_S_MIN, RETRY_S_MAX = 0.5, 8.0
LEFT_S_MAX = 60.0
"""For so long what was left to another holder of the target is looked at again, in seconds: he may
restore it, or go away without."""
Acts = Callable[[UndoEntry], bool]
"""Whether the changes that restore an entry may be made now."""
Left = Callable[[UndoEntry], bool]
"""Whether an entry is left to another holder of the target."""


def _nothing() -> None:
    """For callers that need no sign of progress."""


class Undo(Protocol):
    """An undo log, wherever it stands."""

    @property
    def header(self) -> UndoHeader:
        """Whose log it is."""

    @property
    def pending(self) -> tuple[UndoEntry, ...]:
        """What is not restored yet, last applied first."""

    def mark(self, entry: UndoEntry, state: State, detail: str = "") -> None:
        """Record the result of `entry`. Raises LogLost."""


@dataclass(frozen=True)
class Restored:
    """The result: `verified` only if every entry of the log was read back with its old value."""

    verified: bool
    readback: tuple[ReadBack, ...]
    failed: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def another(self) -> tuple[str, ...]:
        """What somebody else has changed since, which was left as it is: a person is told."""
        return tuple(f"{item.subject}: {item.another}" for item in self.readback if item.another)


def changes_in(undo: Undo) -> tuple[UndoEntry, ...]:
    """What is changed in the platform and not restored yet; the drill's own rig is no change."""
    return tuple(entry for entry in undo.pending if not entry.rig)


def restore(
    platform: Platform,
    undo: Undo,
    ledger: Ledger | None = None,
    only: Container[str] | None = None,
    trying: Callable[[], None] = _nothing,
    clock: Clock = SYSTEM_CLOCK,
) -> Restored:
    """Revert every pending entry, last applied first, and read each back.

    `only` names the entries to revert, and is asked again before each try and before each single
    change of it; the others are read back and not changed. `trying` is called before each try of an
    entry, which may take time. What is left to another holder of the target is looked at again for
    `LEFT_S_MAX`, and reverted if he goes away without having restored it.
    """

    def acts(entry: UndoEntry) -> bool:
        return only is None or entry.entry_id in only

    def left(entry: UndoEntry) -> bool:
        return isinstance(only, StillOurs) and entry.entry_id in only.left

    return _play(platform, undo, ledger, acts, left, trying, clock)


def settle(platform: Platform, undo: Undo, ledger: Ledger | None = None) -> Restored:
    """Read every pending entry back without a revert: for what the drill already restored."""
    return _play(platform, undo, ledger, lambda entry: False, lambda entry: False)


def record_verify(ledger: Ledger, undo: Undo, restored: Restored) -> None:
    """The `verify` event of the ledger."""
    ledger.append(
        "verify",
        pending=[entry.entry_id for entry in changes_in(undo)],
        verified=restored.verified and not changes_in(undo),
        readback=[asdict(item) for item in restored.readback],
        commands=list(restored.commands),
    )


def _play(
    platform: Platform,
    undo: Undo,
    ledger: Ledger | None,
    acts: Acts,
    left: Left,
    trying: Callable[[], None] = _nothing,
    clock: Clock = SYSTEM_CLOCK,
) -> Restored:
    again = recover_command(undo.header.target_file or platform.target.name)
    outcomes: dict[str, _Outcome] = {}
    entries = changes_in(undo)
    # What is only read back is not counted.
    reverted = [entry.entry_id for entry in entries if acts(entry)]
    for entry in entries:
        trying()
        revert = entry.entry_id in reverted and acts(entry)
        if revert:
            number = 1 + reverted.index(entry.entry_id)
            logger.info("restoring %d of %d: %s", number, len(reverted), entry.subject)
        outcome = _one(platform, entry, acts if revert else None, again)
        if left(entry) and not outcome.ok:
            outcome = replace(outcome, retry_s=max(LEFT_S_MAX, outcome.retry_s))
        outcomes[entry.entry_id] = outcome
        if outcome.ok or revert:
            _record(undo, ledger, entry, "done" if outcome.ok else "failed", outcome.detail)
        if not outcome.ok:
            logger.error("restore: %s: %s", entry.subject, outcome.detail)
    for entry, outcome in _retried(platform, entries, outcomes, again, trying, clock, acts, left):
        new = outcome.detail != outcomes[entry.entry_id].detail and not left(entry)
        if outcome.ok or new:
            _record(undo, ledger, entry, "done" if outcome.ok else "failed", outcome.detail)
        outcomes[entry.entry_id] = outcome
    failed = [entry for entry in entries if not outcomes[entry.entry_id].ok]
    readbacks = (outcomes[entry.entry_id].readback for entry in entries)
    return Restored(
        not failed,
        tuple(readback for readback in readbacks if readback is not None),
        tuple(entry.subject for entry in failed),
        tuple(outcomes[entry.entry_id].command for entry in failed),
    )


@dataclass(frozen=True)
class _Outcome:
    """The result of one entry. `retry_s`: for this long another try may help; 0 means never."""

    ok: bool
    detail: str
    readback: ReadBack | None
    command: str
    retry_s: float = 0.0


def _retried(
    platform: Platform,
    entries: Sequence[UndoEntry],
    outcomes: Mapping[str, _Outcome],
    again: str,
    trying: Callable[[], None],
    clock: Clock,
    acts: Acts,
    left: Left,
) -> Iterator[tuple[UndoEntry, _Outcome]]:
    """Retry what raised, or was left to another holder, and is not restored, with growing pauses,
    in bounded time.
    """
    wait_s = RETRY_S_MIN
    now_s = clock.monotonic_s()
    until_s = {name: now_s + one.retry_s for name, one in outcomes.items() if one.retry_s > 0}
    while True:
        next_s = clock.monotonic_s() + wait_s
        waiting = [one for one in entries if until_s.get(one.entry_id, 0.0) > next_s]
        if not waiting:
            return
        clock.sleep(wait_s)
        wait_s = min(RETRY_S_MAX, 2 * wait_s)
        for entry in waiting:
            trying()
            outcome = _one(platform, entry, acts if acts(entry) else None, again)
            logger.warning("restore: tried again: %s: %s", entry.subject, outcome.detail)
            if outcome.ok or not (outcome.retry_s or left(entry)):
                del until_s[entry.entry_id]
            yield entry, outcome


def recover_command(target_file: str) -> str:
    """The command by which a person has everything restored again."""
    return shlex.join(["chaos", "drill", "recover", "--target", target_file])


def _one(platform: Platform, entry: UndoEntry, acts: Acts | None, again: str) -> _Outcome:
    """Revert `entry`, if its changes may be made (`acts`; None: not), and read it back."""
    fault: Fault | None = None
    raised = ""
    try:
        fault = fault_of(platform, entry)
        raised = "" if acts is None else _raised_by(fault.revert, entry, acts)
        readback = fault.read_back()
    except Exception as error:  # one entry's surprise must not leave the others undone
        # Its state is unknown: it may be restored, but that was not observed.
        detail = f"{raised}; and it could not be read back: " if raised else ""
        retry_s = fault.retry_s if fault is not None and acts is not None else 0.0
        return _Outcome(False, detail + _said(error), None, _command(fault, again), retry_s)
    detail = f"{readback.subject}: {readback.actual} (expected {readback.expected})"
    if readback.another:
        logger.error(
            "restore: %s: left as somebody else changed it: %s", entry.subject, readback.another
        )
        detail += f"; left as somebody else changed it: {readback.another}"
        by_hand = _command(fault, again)
        logger.error("restore: by hand, to restore the value from before the drill: %s", by_hand)
    if raised:
        seen = "it is restored anyway" if readback.ok else "it is not restored"
        detail = f"{raised}; read back, {seen}: {detail}"
    if readback.ok:
        return _Outcome(True, detail, readback, "")
    retry_s = fault.retry_s if raised else 0.0
    return _Outcome(False, detail, readback, _command(fault, again), retry_s)


def _raised_by(revert: Callable[[], None], entry: UndoEntry, acts: Acts) -> str:
    """What `revert` raised, as one line; empty if nothing."""

    def still() -> None:
        if not acts(entry):
            raise NotOurs(f"{entry.subject}: left to whoever holds the target now")

    try:
        with asking(still):
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
    """The fault's own command by hand, else the command that retries everything."""
    try:
        command = (fault.command() if fault is not None else None) or again
        # A command that contains a secret must not be logged; the one that retries contains none.
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
        # A full disk must not keep a region dark: go on restoring. The log still shows the entry as
        # pending, so no verdict can pass.
        logger.error("restore: %s", error)
