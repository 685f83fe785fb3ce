"""What the records must show, so that a change by somebody else is told from the drill's own.

1. A change of the drill is announced before it is made (`intends`). From then until the API has
   accepted it (`accepted`) the records may show what stood before or what is intended.
2. After that a look that began earlier, or within `lag_s` of it, may still show what stood before.
3. Whatever else the records show was changed by another: a weight, any other part of a record, a
   record that is gone or new. One ChangeBatch is done whole or not at all, so a mix of two steps of
   the drill is not the drill's either.
4. A change that raised may have been made all the same, and may yet be: both states stay possible.

Nothing here reads a clock or an API: the caller says when a look began.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.platform.steering.parts import Shown, Snapshot, Weights, weights_of

LAG_S = 2.0
"""How long after an accepted change a look may still show what stood before.

Route 53 says that a listing shows accepted changes at once, INSYNC or not; this is for a proxy or a
second API server in between.
"""


@dataclass
class _Possible:
    """Weights that the records may show; `until_s` None: for as long as nothing else is said."""

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
        """Take what stands now as what must stand until the drill changes it."""
        with self._lock:
            self._rest = {key: one.rest for key, one in shown.items()}
            self._possible = [_Possible(weights_of(shown))]

    def release(self) -> None:
        """Judge nothing any more: from here on the records are put back and read back."""
        with self._lock:
            self._rest = None
            self._possible = []

    @property
    def judges(self) -> bool:
        """Whether anything must stand: not before `begin`, nor after `release`."""
        with self._lock:
            return self._rest is not None

    def intends(self, weights: Weights) -> None:
        """The drill is about to set these weights (by record); others stay as they are."""
        with self._lock:
            if self._possible:
                self._possible.append(_Possible({**self._possible[-1].weights, **weights}))

    def accepted(self, now_s: float) -> None:
        """The API took the change: what stood before may be seen for `lag_s` more."""
        with self._lock:
            for one in self._possible[:-1]:
                if one.until_s is None:
                    one.until_s = now_s + self._lag_s

    def differs(self, shown: Snapshot, began_s: float) -> str:
        """What another changed, from what to what, by a look that began at `began_s`.

        Empty: nothing, or nothing is judged. `began_s` is of the clock that `accepted` is told.
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
        """What stands now, for another process; None while nothing is judged."""
        with self._lock:
            if self._rest is None:
                return None
            last = self._possible[-1].weights
            return {key: [last[key], rest] for key, rest in self._rest.items()}


def snapshot_from(data: Mapping[str, Sequence[Any]]) -> dict[str, Shown]:
    """The snapshot that `as_json` wrote."""
    return {key: Shown(int(weight), str(rest)) for key, (weight, rest) in data.items()}


def changes(must: Snapshot, shown: Snapshot) -> str:
    """From what to what each record differs; empty when none does."""
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
    """How to put the weights back. `weights`: records to set; `another`: what is left, and why."""

    weights: dict[str, int]
    another: str = ""


def restoration(before: Snapshot, shown: Snapshot, own: Sequence[Weights]) -> Restoration:
    """Every record back to its weight of before, but for what another changed since.

    `own`: weights that the drill has set or was about to set. A weight that another set to one of
    them cannot be told from the drill's and goes back too: rather that than a region left dark.
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
