"""Reports whether a target could be drilled now: its lock, changes not restored, its calendar.

What cannot be looked up is reported as unknown.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict

from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.drill.lock.held import FileLock, holder_of
from muster.drill.lock.lease import LeaseRecord, record_of
from muster.drill.plan.permit import closed
from muster.drill.undo.logs import left_on
from muster.drill.undo.restore import recover_command
from muster.drill.undo.store import stored_undo
from muster.errors import BadInput, DrillAborted, MusterError
from muster.stores import Conflict, store_of
from muster.targets import Target, resolve_shared
from muster.targets.calendar import shown


def readiness(target: Target, target_file: str, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """Return what prevents a drill, line by line; changes nothing."""
    return [*_calendar(target, clock), *_lock(target), *_undone(target, target_file)]


def _calendar(target: Target, clock: Clock) -> Iterator[str]:
    if target.calendar is None:
        yield "calendar: none; a drill may begin at any time"
        return
    now = utc(clock)
    why = closed(target, now)
    if why:
        yield f"calendar: {why}"
        return
    yield f"calendar: a drill may begin now ({shown(now, target.calendar)})"
    frozen = [freeze for freeze in target.calendar.frozen if str(freeze.to) >= f"{now:%Y-%m-%d}"]
    for freeze in frozen:
        yield f"calendar: frozen from {freeze.from_} to {freeze.to} {freeze.why}".rstrip()


def _lock(target: Target) -> Iterator[str]:
    file = FileLock(target.name, "")
    holder = holder_of(file.path)
    if holder:
        yield (
            f"lock: on this machine {holder.get('holder')} (process {holder.get('pid')}) "
            "has or had it; the kernel frees it when that process ends"
        )
    shared = resolve_shared(target)
    if shared is None:
        if not holder:
            yield "lock: free"
        return
    try:
        record = record_of(store_of(shared).read(f"lock/{target.name}"))
    except MusterError as error:
        yield f"lock: unknown: {error}"
        return
    yield f"lock: held by {record.line()}" if record.holder else "lock: free"


def _undone(target: Target, target_file: str) -> Iterator[str]:
    left = left_on(target.name)
    by_drill = {log.read.header.drill_id: len(log.read.pending) for log in left.pending}
    try:
        for drill, entries in (stored_undo(target) or {}).items():
            by_drill[drill] = max(len(entries), by_drill.get(drill, 0))
    except MusterError as error:
        yield f"undone: the store's part is unknown: {error}"
    yield from (f"undone: {line}" for line in left.unusable)
    for drill, count in sorted(by_drill.items()):
        yield f"undone: {count} changes of {drill}: {recover_command(target_file)}"
    if not by_drill and not left.unusable:
        yield "undone: no changes are known to be left"


def unlock(target: Target, holder: str) -> list[str]:
    """Break the shared lock that `holder` has; return what was broken, line by line.

    Raises BadInput if another process or nobody holds it, or if it is a file's lock.
    """
    where = f"target {target.name}"
    shared = resolve_shared(target)
    if shared is None:
        found = holder_of(FileLock(target.name, "").path)
        wanted = (
            "a target with a shared lock: this one is a file's, held by a process "
            f"({found.get('pid', 'none')}) and gone with it"
        )
        raise BadInput(where, "shared", None, wanted)
    store = store_of(shared)
    stored = store.read(f"lock/{target.name}")
    record = record_of(stored)
    if not record.holder:
        raise BadInput("--holder", "", holder, "a holder: the lock is free")
    if record.holder != holder:
        raise BadInput("--holder", "", holder, f"its holder: {record.line()}")
    free = LeaseRecord(nonce=secrets.token_hex(8))
    try:
        store.write(f"lock/{target.name}", json.dumps(asdict(free)), stored)
    except Conflict as error:
        raise DrillAborted("unlock", f"{holder} renewed it just now: it is alive") from error
    left = len((stored_undo(target) or {}).get(holder, ()))
    every_s = record.lease_s / 4
    lines = [f"broken: the lock of {target.name}, held by {record.line()}"]
    lines.append(f"if that drill is alive, it notices within {every_s:.0f} s, aborts and restores")
    lines.append(f"changes that it has not restored yet: {left}")
    return lines
