"""Undo entries off the machine: if a drill's machine is lost, another machine can restore.

The target's store holds only what is pending: an entry is there before its effect, and is removed
after its old value was read back. An entry that only a local log shows was therefore never applied,
or another machine has restored it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from muster import home
from muster.drill.undo.logs import LeftLog
from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.stores import Store, Stored, StoreError, store_of
from muster.targets import Target, resolve_shared
from muster.undo import SCHEMA_VERSION, UndoEntry, UndoHeader, UndoLog, UndoRead

logger = logging.getLogger("chaostoolkit")
Held = dict[str, tuple[UndoEntry, ...]]
"""What a store holds as pending, by drill."""


@dataclass
class StoreMirror:
    """A drill's pending entries in its target's store."""

    store: Store
    header: UndoHeader

    def put(self, entry: UndoEntry) -> None:
        """Write `entry` to the store before this returns. Raises LogLost."""
        key = self._key(entry)
        text = json.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "drill_id": self.header.drill_id,
                "target": self.header.target,
                "id": entry.entry_id,
                "kind": entry.kind,
                "subject": entry.subject,
                "region": entry.region,
                "params": entry.params,
            },
            separators=(",", ":"),
        )
        try:
            found = self.store.read(key)
            if found is None or found.text != text:
                self.store.write(key, text, found)
        except StoreError as error:
            raise LogLost(f"undo entry {entry.subject} is not in the store: {error}") from error

    def remove(self, entry: UndoEntry) -> None:
        """Remove `entry` from the store. Raises LogLost."""
        try:
            found = self.store.read(self._key(entry))
            if found is not None:
                self.store.remove(found)
        except StoreError as error:
            raise LogLost(f"undo entry {entry.subject} is still in the store: {error}") from error

    def _key(self, entry: UndoEntry) -> str:
        return f"undo/{self.header.target}/{self.header.drill_id}/{entry.entry_id}"


def open_undo(target: Target, path: Path, header: UndoHeader) -> UndoLog:
    """A drill's undo log at `path`, and its mirror if the target names a store.

    For start, recovery and watchdog. Raises LogLost, BadInput.
    """
    shared = resolve_shared(target)
    mirror = None if shared is None else StoreMirror(store_of(shared), header)
    return UndoLog(path, header, mirror=mirror)


def stored_undo(target: Target) -> Held | None:
    """What the target's store holds as pending, by drill; None for a target without a store.

    Raises StoreError, and BadInput for a record of another version.
    """
    shared = resolve_shared(target)
    if shared is None:
        return None
    found: dict[str, list[UndoEntry]] = {}
    for stored in store_of(shared).under(f"undo/{target.name}"):
        record = _record(stored)
        if record["target"] == target.name:
            found.setdefault(str(record["drill_id"]), []).append(_entry(record))
    return {drill: tuple(sorted(entries, key=_order)) for drill, entries in found.items()}


def with_stored(
    left: Sequence[LeftLog], target: Target, target_file: str, held: Held | None
) -> list[LeftLog]:
    """The logs of this machine, and those that only the store still has, oldest drill first.

    What only the store holds is written into a local log; if the disk is full, everything is
    restored all the same.
    """
    by_drill = {log.read.header.drill_id: log for log in left}
    for drill, entries in (held or {}).items():
        path = home.out_dir() / drill / "undo.jsonl"
        header = UndoHeader(drill, target.name, target_file)
        known = by_drill.get(drill, LeftLog(path, UndoRead(header, ())))
        ids = {entry.entry_id for entry in known.read.pending}
        missing = [entry for entry in entries if entry.entry_id not in ids]
        if missing:
            read = replace(known.read, entries=(*known.read.entries, *missing))
            by_drill[drill] = LeftLog(known.path, read)
            _adopt(known.path, header, missing)
    return [by_drill[drill] for drill in sorted(by_drill)]


def _adopt(path: Path, header: UndoHeader, entries: Sequence[UndoEntry]) -> None:
    try:
        log = UndoLog(path, header)
        try:
            for entry in entries:
                log.adopt(entry)
        finally:
            log.close()
    except LogLost as error:
        logger.error("%s", error)


def _record(stored: Stored) -> dict[str, Any]:
    where = f"store: {stored.key}"
    try:
        record = json.loads(stored.text)
    except ValueError as error:
        raise BadInput(where, "", stored.text, "an undo entry") from error
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        version = record.get("schema_version") if isinstance(record, dict) else record
        raise BadInput(where, "schema_version", version, str(SCHEMA_VERSION))
    for key in ("drill_id", "target", "id", "kind", "subject", "params"):
        if key not in record:
            raise BadInput(where, key, None, "this key of an undo entry")
    name = str(record["drill_id"])
    if Path(name).name != name or name.startswith("."):
        raise BadInput(where, "drill_id", name, "a drill's id")
    return record


def _entry(record: Mapping[str, Any]) -> UndoEntry:
    return UndoEntry(
        str(record["id"]),
        str(record["kind"]),
        str(record["subject"]),
        record.get("region"),
        dict(record["params"]),
    )


def _order(entry: UndoEntry) -> tuple[int, str]:
    """Entries in the order of their adding: u2 before u10."""
    number = entry.entry_id.removeprefix("u")
    return (int(number) if number.isdigit() else 0, entry.entry_id)
