"""The undo log: each fault's inverse is on disk before the fault is applied.

An entry names what to restore by kind and parameters, never by endpoint or secret: those come from
the target when the entry is played back. Entries are restored last first. If an entry's subject
already has one pending, it is not added again, so that the oldest value, the one before the drill,
is restored in one step. Some faults mark what they make, each time anew: each time has an entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import BadInput
from muster.jsonl import SyncedLog, read_lines
from muster.redact import redacted

SCHEMA_VERSION = 1
State = Literal["pending", "done", "failed"]
LOAD_JOB = "load_job"
"""The kind of an entry for the load that a drill runs elsewhere."""


@dataclass(frozen=True)
class UndoEntry:
    """One thing to restore: `kind` chooses how, `subject` names it, `params` give the old value."""

    entry_id: str
    kind: str
    subject: str
    region: str | None
    params: dict[str, Any]
    state: State = "pending"
    detail: str = ""

    @property
    def rig(self) -> bool:
        """Whether it is a part of the drill itself and no change of the platform.

        It stays until nothing has to be measured any more, so it is ended last.
        """
        return self.kind == LOAD_JOB


class Mirror(Protocol):
    """A second place for pending entries, outside the machine. Raises LogLost if it is not sure."""

    def put(self, entry: UndoEntry) -> None:
        """Make the current `entry` durable there before this returns."""

    def remove(self, entry: UndoEntry) -> None:
        """`entry` is restored: remove it there."""


@dataclass(frozen=True)
class UndoHeader:
    """Which target the log belongs to, so that it can be played back without the drill."""

    drill_id: str
    target: str
    target_file: str


@dataclass(frozen=True)
class UndoRead:
    """A log as read back. `torn`: its last line was cut off, before its fault could happen."""

    header: UndoHeader
    entries: tuple[UndoEntry, ...]
    torn: bool = False

    @property
    def pending(self) -> tuple[UndoEntry, ...]:
        """What is not restored yet, in the order to restore it (last applied first)."""
        return tuple(entry for entry in reversed(self.entries) if entry.state != "done")


@dataclass
class UndoLog:
    """The writer of a drill's undo log."""

    path: Path
    header: UndoHeader
    clock: Clock = SYSTEM_CLOCK
    mirror: Mirror | None = None
    _entries: dict[str, UndoEntry] = field(default_factory=dict)
    _mirrored: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Opened before it is read: opening ends a torn line, and so may make it complete.
        self._log = SyncedLog(self.path)
        if read_lines(self.path).records:
            try:
                self._entries = {entry.entry_id: entry for entry in read_undo(self.path).entries}
            except BadInput:
                self._log.close()
                raise
        else:
            self._log.append(
                {
                    "schema_version": SCHEMA_VERSION,
                    "id": "header",
                    "drill_id": self.header.drill_id,
                    "target": self.header.target,
                    "target_file": self.header.target_file,
                }
            )

    def add(
        self,
        kind: str,
        subject: str,
        params: dict[str, Any],
        region: str | None = None,
        *,
        each_time: bool = False,
    ) -> UndoEntry:
        """Make the inverse durable; only then may the fault be applied. Raises LogLost.

        `each_time`: the parameters tell of this one time, so a pending entry of another one does
        not do.
        """
        for entry in self._entries.values():
            same = (entry.kind, entry.subject) == (kind, subject) and entry.state != "done"
            if same and (entry.params == params or not each_time):
                self._put(entry)
                return entry
        entry = UndoEntry(f"u{len(self._entries) + 1}", kind, subject, region, params)
        self.adopt(entry)
        # If the mirror refuses it, it stays pending here: restoring what was not applied is
        # harmless.
        self._put(entry)
        return entry

    def amend(self, entry: UndoEntry, params: dict[str, Any]) -> UndoEntry:
        """Update what a pending entry needs to be played back: durable before this returns.

        Raises LogLost; then the effect that made the update necessary may not happen.
        """
        amended = replace(entry, params=params)
        self.adopt(amended)
        self._mirrored.discard(amended.entry_id)
        self._put(amended)
        return amended

    def _put(self, entry: UndoEntry) -> None:
        if self.mirror is not None and entry.entry_id not in self._mirrored:
            self.mirror.put(entry)
            self._mirrored.add(entry.entry_id)

    def adopt(self, entry: UndoEntry) -> None:
        """Add an entry that the mirror has already, under its own name. Raises LogLost."""
        self._log.append(
            {
                "id": entry.entry_id,
                "t": self.clock.now_s(),
                "kind": entry.kind,
                "subject": entry.subject,
                "region": entry.region,
                "params": entry.params,
                "state": "pending",
            }
        )
        self._entries[entry.entry_id] = replace(entry, state="pending", detail="")

    def mark(self, entry: UndoEntry, state: State, detail: str = "") -> None:
        """Record that `entry` was restored and read back (`done`) or could not be (`failed`).

        A restored entry is removed from the mirror first: until then it is pending here too. Raises
        LogLost.
        """
        detail = redacted(detail)
        marked = _with_state(entry, state, detail)
        if self.mirror is not None:
            if state == "done":
                self.mirror.remove(marked)
            else:
                self.mirror.put(marked)
        self._log.append(
            {"id": entry.entry_id, "t": self.clock.now_s(), "state": state, "detail": detail}
        )
        self._entries[entry.entry_id] = marked

    @property
    def entries(self) -> tuple[UndoEntry, ...]:
        """Every entry, in the order in which they were added."""
        return tuple(self._entries.values())

    @property
    def pending(self) -> tuple[UndoEntry, ...]:
        """What is not restored yet, last applied first."""
        return UndoRead(self.header, tuple(self._entries.values())).pending

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def read_undo(path: Path) -> UndoRead:
    """The undo log at `path`.

    A log without any whole line is empty: its writer died before the header was on disk, and so
    before any fault. It must not prevent other logs from being restored. Raises BadInput if the
    file is not an undo log, or has another schema version.
    """
    lines = read_lines(path)
    if not lines.records:
        return UndoRead(UndoHeader("", "", ""), (), torn=True)
    head = lines.records[0]
    if head.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(path, "schema_version", head.get("schema_version"), str(SCHEMA_VERSION))
    header = UndoHeader(
        str(head.get("drill_id")), str(head.get("target")), str(head.get("target_file"))
    )
    entries: dict[str, UndoEntry] = {}
    for record in lines.records[1:]:
        name = str(record.get("id"))
        try:
            if "kind" in record:
                _check_entry(path, name, record)
                entries[name] = UndoEntry(
                    name, record["kind"], record["subject"], record.get("region"), record["params"]
                )
            elif name in entries:
                detail = record.get("detail", "")
                entries[name] = _with_state(entries[name], record["state"], detail)
        except KeyError as error:
            raise BadInput(path, name, record, f"a line with the key {error}") from error
    return UndoRead(header, tuple(entries.values()), lines.torn)


def target_of(path: Path) -> str | None:
    """The target that the first line of a log names, whatever its version; None if it names
    none.
    """
    try:
        records = read_lines(path).records
    except BadInput:
        return None
    named = records[0].get("target") if records else None
    return named if isinstance(named, str) and named else None


def _check_entry(path: Path, name: str, record: dict[str, Any]) -> None:
    """Raises BadInput for an entry whose values have wrong types."""
    for key, kind in (("kind", str), ("subject", str), ("params", dict)):
        if not isinstance(record[key], kind):
            raise BadInput(path, f"{name}.{key}", record[key], f"a {kind.__name__}")
    region = record.get("region")
    if region is not None and not isinstance(region, str):
        raise BadInput(path, f"{name}.region", region, "a str or null")


def _with_state(entry: UndoEntry, state: State, detail: str) -> UndoEntry:
    return replace(entry, state=state, detail=detail)
