"""Tests the lock and the shared store by using them.

For about a second, Muster's own lock is held and the store has a record under `doctor/`. Nothing on
the platform changes. A drill that starts in that second is refused, because the doctor holds the
target.
"""

from __future__ import annotations

import secrets

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen, each_line
from muster.drill.lock.held import place
from muster.drill.phases.preflight import lock_kept
from muster.errors import MusterError
from muster.stores import Conflict, Store, StoreError, store_of
from muster.targets import resolve_shared


def lock(examined: Examined) -> Seen:
    """Take the lock, renew it, check that it is exclusive, and release it."""
    held = examined.lock
    with held:
        wrong = lock_kept(examined)
        if held.lease is not None and not wrong:
            wrong = held.lease.flaw()
    where = f"{held.path} and the store" if held.lease is not None else str(held.path)
    row: Row = {"what": "lock", "where": where, "seen": "taken, released"}
    return Seen((row,), refused=each_line(wrong))


def store(examined: Examined) -> Seen:
    """Write a record, read it back, check that an outdated write fails, and remove the record."""
    shared = resolve_shared(examined.target)
    if shared is None:
        row: Row = {
            "what": "store",
            "where": "none: undo entries stay on this machine",
            "seen": "-",
        }
        return Seen((row,))
    kept = store_of(shared)
    key = f"doctor/{examined.target.name}/{secrets.token_hex(6)}"
    row = {"what": "store", "where": f"shared, {key}", "seen": "written, read, removed"}
    try:
        wrong = _used(kept, key)
    except StoreError as error:
        wrong = str(error)
    left = _removed(kept, key)
    return Seen((row,), refused=tuple(line for line in (wrong, left) if line))


def _used(kept: Store, key: str) -> str:
    """The error of the store; empty if there is none. Raises StoreError."""
    text = f"{place()} {key}"
    first = kept.write(key, text, None)
    if first.text != text:
        return f"the store returned another text for {key} than was written"
    second = kept.write(key, f"{text} again", first)
    try:
        kept.write(key, f"{text} late", first)
    except Conflict:
        pass
    else:
        return "the store accepted an outdated write: two drills could hold the same lock"
    found = kept.read(key)
    if found is None or found.text != second.text:
        return f"the store did not return the last text that was written to {key}"
    return ""


def _removed(kept: Store, key: str) -> str:
    """Why the record could not be removed; empty if it is gone."""
    try:
        found = kept.read(key)
        if found is not None:
            kept.remove(found)
        if kept.read(key) is None:
            return ""
    except MusterError as error:
        return f"the record {key} may be left in the store: {error}"
    return f"the record {key} is left in the store"
