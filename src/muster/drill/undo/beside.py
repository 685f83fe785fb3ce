"""Whether somebody stands by who would restore if the drilling machine were lost.

Who stands by says so in the target's store, while it could restore. Two wall clocks are compared
here, within the target's `clock_skew_s_max`: that decides only whether a drill may begin.
"""

from __future__ import annotations

import json
import socket
from datetime import datetime

from muster.clock import Clock, utc
from muster.stores import Conflict, Store

SAID_S = 60.0
"""How often it is said."""
SAID_S_MAX = 3 * SAID_S
"""Longer ago than this, nobody stands by."""


def say_beside(store: Store, target: str, clock: Clock) -> None:
    """Say that this process stands by for `target`. Raises StoreError."""
    key = f"standby/{target}"
    text = json.dumps({"host": socket.gethostname(), "at": utc(clock).isoformat()})
    try:
        store.write(key, text, store.read(key))
    except Conflict:
        # Another one that stands by has just said the same.
        return


def nobody_beside(store: Store, target: str, clock: Clock, skew_s_max: float) -> str:
    """Why nobody is known to stand by for `target`; empty if somebody does. Raises StoreError."""
    found = store.read(f"standby/{target}")
    start = f"run chaos drill standby --target {target} on another machine"
    if found is None:
        return f"nobody stands by: {start}"
    try:
        said = json.loads(found.text)
        ago_s = (utc(clock) - datetime.fromisoformat(said["at"])).total_seconds()
        host = str(said["host"])
    except (ValueError, TypeError, KeyError):
        return f"{found.key}: no record of who stands by: {found.text[:120]!r}"
    if abs(ago_s) > SAID_S_MAX + skew_s_max:
        return f"nobody stands by: {host} said so last {ago_s:.0f} s ago; {start}"
    return ""
