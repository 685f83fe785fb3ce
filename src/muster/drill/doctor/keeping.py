"""Lock and store by use: taken and released, written, read back and removed.

Only Muster's own lock and a record under `doctor/` change, for about a second; of the platform
nothing does. Whoever starts a drill in that second is told that the doctor has the target.
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
    """The lock is taken, renewed, shown to be exclusive, and released."""
    held = examined.lock
    with held:
        wrong = lock_kept(examined)
        if held.lease is not None and not wrong:
            wrong = held.lease.flaw()
    where = f"{held.path} and the store" if held.lease is not None else str(held.path)
    row: Row = {"what": "lock", "where": where, "seen": "taken, released"}
    return Seen((row,), refused=each_line(wrong))


def store(examined: Examined) -> Seen:
    """A record is written, read back, protected from an old state's writer, and removed."""
    shared = resolve_shared(examined.target)
    if shared is None:
        row: Row = {"what": "store", "where": "none: undo entries stay here", "seen": "-"}
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
    """What the store does wrong; empty: nothing. Raises StoreError."""
    text = f"{place()} {key}"
    first = kept.write(key, text, None)
    if first.text != text:
        return f"the store shows another text at {key} than was written"
    second = kept.write(key, f"{text} again", first)
    try:
        kept.write(key, f"{text} late", first)
    except Conflict:
        pass
    else:
        return "the store replaced an outdated record: two drills could hold one lock"
    found = kept.read(key)
    if found is None or found.text != second.text:
        return f"the store does not show at {key} what was written last"
    return ""


def _removed(kept: Store, key: str) -> str:
    """Why the record is still there; empty: it is gone."""
    try:
        found = kept.read(key)
        if found is not None:
            kept.remove(found)
        if kept.read(key) is None:
            return ""
    except MusterError as error:
        return f"{key} may be left in the store: {error}"
    return f"{key} is left in the store"
