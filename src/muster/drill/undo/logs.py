"""The undo logs that earlier drills left on a target, and those that cannot be read.

An unusable log does not keep others from being restored; it is reported and never skipped silently.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from muster import home
from muster.bundle import MANIFEST
from muster.errors import BadInput
from muster.undo import State, UndoEntry, UndoHeader, UndoRead, read_undo, target_of

WHAT_TO_DO = (
    "recover it with the version of Muster that wrote it, and move its bundle away once all is back"
)


@dataclass(frozen=True)
class LeftLog:
    """A log with changes that are not restored yet; its bundle is the folder that it stands in."""

    path: Path
    read: UndoRead


@dataclass(frozen=True)
class LeftLogs:
    """What was left on a target, oldest drill first. `unusable`: one line for each bad log.

    `unjudged` left no change, but its drill never got a verdict.
    """

    pending: tuple[LeftLog, ...]
    unjudged: tuple[LeftLog, ...]
    unusable: tuple[str, ...]


def left_on(target: str, but: Path | None = None) -> LeftLogs:
    """The logs of `target` below the evidence directory, except the one in the bundle `but`.

    A log that cannot be read counts, unless its own first line names another target.
    """
    pending: list[LeftLog] = []
    unjudged: list[LeftLog] = []
    unusable: list[str] = []
    for path in sorted(home.out_dir().glob("*/undo.jsonl")):
        if path.parent.is_symlink() or path.parent == but:
            continue
        try:
            read = read_undo(path)
        except BadInput as error:
            if target_of(path) in (None, target):
                unusable.append(f"{error}: {WHAT_TO_DO}")
            continue
        if read.header.target != target:
            continue
        if read.pending:
            pending.append(LeftLog(path, read))
        elif _begun(path.parent) and not (path.parent / MANIFEST).exists():
            unjudged.append(LeftLog(path, read))
    return LeftLogs(tuple(pending), tuple(unjudged), tuple(unusable))


def _begun(bundle: Path) -> bool:
    """Whether there is something to judge: the contract comes after the drill's first line."""
    return (bundle / "contract.yaml").exists()


class UndoMemory:
    """An undo log whose file cannot be written: only this process knows what was done."""

    def __init__(self, read: UndoRead) -> None:
        self._read = read

    @property
    def header(self) -> UndoHeader:
        """Whose log it is."""
        return self._read.header

    @property
    def pending(self) -> tuple[UndoEntry, ...]:
        """What is not restored yet, last applied first."""
        return self._read.pending

    def mark(self, entry: UndoEntry, state: State, detail: str = "") -> None:
        """Remember the result of `entry`."""
        marked = replace(entry, state=state, detail=detail)
        entries = tuple(
            marked if one.entry_id == entry.entry_id else one for one in self._read.entries
        )
        self._read = replace(self._read, entries=entries)

    def close(self) -> None:
        """Nothing to end."""
