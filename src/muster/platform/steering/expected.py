"""What the records must show, so that a change by somebody else differs from the drill's own.

1. The drill announces a change before it makes it (`intends`). From then until the API has accepted
   it (`accepted`) the records may show the old state or the intended one.
2. After that, an observation that began earlier, or within `lag_s` of it, may still show the old
   state.
3. Anything else that the records show was changed by another party: a weight, any other part of a
   record, a record that is gone or new. Route 53 applies a ChangeBatch whole or not at all, so a
   mix of two steps of the drill is not the drill's either.
4. A change that raised an error may have been made, or may still be made: both states stay
   possible.

Nothing here reads a clock or an API: the caller says when an observation began.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.platform.steering.parts import Shown, Snapshot, Weights, weights_of

LAG_S = 2.0
"""How long after an accepted change an observation may still show the old state, in seconds.

Route 53 documents that a listing shows accepted changes at once, INSYNC or not; this allows for a
proxy or a second API server in between.
"""


@dataclass
class _Possible:
    """Weights that the records may show; `until_s` None: until something else is expected."""

    weights: dict[str, int]
    until_s: float | None = None


class Expected:
    """The records of one name as the drill knows them. Threads may share it."""

    def __init__(self, lag_s: float = LAG_S) -> None:
        self._lag_s = lag_s
        self._lock = threading.Lock()
        self._rest: dict[str, str] | None = None
        self._possible: list[_Possible] = []

    def begin(self, shown: Snapshot) -> None:
        """Take the current state as what must stay until the drill changes it."""
        with self._lock:
            self._rest = {key: one.rest for key, one in shown.items()}
            self._possible = [_Possible(weights_of(shown))]

    def release(self) -> None:
        """Stop judging: from here on the records are restored and read back."""
        with self._lock:
            self._rest = None
            self._possible = []

    @property
    def judges(self) -> bool:
        """Whether any state is expected: not before `begin`, nor after `release`."""
        with self._lock:
            return self._rest is not None

    def intends(self, weights: Weights) -> None:
        """Announce that the drill will set these weights (by record); others stay as they are."""
        with self._lock:
            if self._possible:
                self._possible.append(_Possible({**self._possible[-1].weights, **weights}))

    def accepted(self, now_s: float) -> None:
        """The API accepted the change: the old state may still be seen for `lag_s`."""
        with self._lock:
            for one in self._possible[:-1]:
                if one.until_s is None:
                    one.until_s = now_s + self._lag_s

    def differs(self, shown: Snapshot, began_s: float) -> str:
        """What another party changed, from what to what, by an observation that began at `began_s`.

        Empty if nothing changed or nothing is judged. `began_s` is on the clock of `accepted`.
        """
        with self._lock:
            if self._rest is None:
                return ""
            weights = weights_of(shown)
            possible = [
                one for one in self._possible if one.until_s is None or began_s <= one.until_s
            ]
            own = any(one.weights == weights for one in possible)
            last = self._possible[-1].weights
            if own:
                last = weights
            must = {key: Shown(last[key], rest) for key, rest in self._rest.items()}
        return changes(must, shown)

    def as_json(self) -> dict[str, Any] | None:
        """The expected state, for another process; None while nothing is judged."""
        with self._lock:
            if self._rest is None:
                return None
            last = self._possible[-1].weights
            return {key: [last[key], rest] for key, rest in self._rest.items()}


def snapshot_from(data: Mapping[str, Sequence[Any]]) -> dict[str, Shown]:
    """The snapshot that `as_json` wrote."""
    return {key: Shown(int(weight), str(rest)) for key, (weight, rest) in data.items()}


def changes(must: Snapshot, shown: Snapshot) -> str:
    """How each record differs, from what to what; empty if none does."""
    said: list[str] = []
    for key in sorted({*must, *shown}):
        before, after = must.get(key), shown.get(key)
        if before is None and after is not None:
            said.append(f"{key}: no record -> weight {after.weight}, {after.rest}")
        elif before is not None and after is None:
            said.append(f"{key}: weight {before.weight}, {before.rest} -> no record")
        elif before is not None and after is not None:
            if before.weight != after.weight:
                said.append(f"{key}: weight {before.weight} -> {after.weight}")
            if before.rest != after.rest:
                said.append(f"{key}: {before.rest} -> {after.rest}")
    return "; ".join(said)


@dataclass(frozen=True)
class Restoration:
    """How to restore the weights. `weights`: records to set; `another`: what is left alone, and
    why.
    """

    weights: dict[str, int]
    another: str = ""


def restoration(before: Snapshot, shown: Snapshot, own: Sequence[Weights]) -> Restoration:
    """Set every record back to its old weight, except what another party changed since.

    `own`: weights that the drill has set or was about to set. If another party set a record to one
    of them, that cannot be told from the drill's change and is set back too: otherwise a region
    might be left dark.
    """
    back = {
        key: was.weight
        for key, was in before.items()
        if (now := shown.get(key)) is not None
        and now.weight != was.weight
        and any(now.weight == one.get(key) for one in own)
    }
    then = {key: Shown(back.get(key, one.weight), one.rest) for key, one in shown.items()}
    return Restoration(back, changes(before, then))
